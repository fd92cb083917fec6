import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Declarations, emitDeclarations } from './declarations.ts';

const folder = mkdtempSync(join(tmpdir(), 'exports-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('public names', () => {
  let declarations: Declarations;
  beforeAll(() => {
    emitDeclarations(join(folder, 'dist'));
    declarations = new Declarations(join(folder, 'dist'));
  });

  it('use only types that are also public', () => {
    expect(declarations.names.length).toBeGreaterThan(300);
    expect(declarations.unexported()).toEqual([]);
  });

  it('have docstrings', () => {
    expect(declarations.undocumented()).toEqual([]);
  });

  it('are for users', () => {
    const { names } = declarations;
    const inside = ['throwIfAborted', 'systemCode', 'errorAbout', 'messageAbout', 'closedError'];
    expect(names.filter(({ exported }) => inside.includes(exported))).toEqual([]);
  });
});

describe('the search for names that are not public', () => {
  function found(files: Readonly<Record<string, string>>): Declarations {
    const at = mkdtempSync(join(folder, 'made-'));
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(at, name)), { recursive: true });
      writeFileSync(join(at, name), text);
    }
    return new Declarations(at, { '.': 'index.d.ts' });
  }

  it.each([
    ['a parameter', 'export declare function f(a: Inner): void;'],
    ['a parent', 'export interface A extends Inner {}'],
    ['an element', 'export type A = readonly { a?: Inner[] }[];'],
    ['an argument', 'export declare const a: Map<string, Inner>;'],
    ['what is imported in place', "export declare const a: () => import('./inner.ts').Inner;"],
    ['a second form', 'export declare function f(): void;\nexport declare function f(a: Inner): void;'],
    ['a member of a class', 'export declare class A { b(): Inner; }'],
    ['a type by its value', 'export type A = (typeof value)[number];'],
    ['a type by a value here', 'declare const here: Inner[];\nexport type A = typeof here;'],
  ])('sees %s', (_, text) => {
    const inner = 'export interface Inner { a: number }\nexport declare const value: Inner[];';
    const files = {
      'index.d.ts': "export * from './a.ts';",
      'a.d.ts': `import { type Inner, value } from './inner.ts';\nimport type { z } from 'zod';\n${text}`,
      'inner.d.ts': inner,
    };
    expect(found(files).unexported()).toEqual([expect.stringMatching(/^[Aaf] names Inner of inner.d.ts$/)]);
    const all = {
      ...files,
      'index.d.ts': "export * from './a.ts';\nexport { Inner as Other } from './inner.ts';",
    };
    expect(found(all).unexported()).toEqual([]);
  });

  it('finds local types and docstrings', () => {
    const text =
      'interface Local { a: string }\n/** It is documented. */\nexport interface A { l: Local }\nexport type B = A;';
    const declarations = found({ 'index.d.ts': text });
    expect(declarations.unexported()).toEqual(['A names Local of index.d.ts']);
    expect(declarations.undocumented()).toEqual(['B of index.d.ts']);
  });
});
