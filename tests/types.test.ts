import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ENTRIES, emitDeclarations } from './declarations.ts';
import { TYPESCRIPT, tsc } from './tsc.ts';

const root = join(import.meta.dirname, '..');
const project = mkdtempSync(join(tmpdir(), 'types-'));
afterAll(() => rmSync(project, { recursive: true }));

/** The compiler to test with. `npm run test:install` sets an older one. */
const OLDER = process.env.TIP_ADAPTER_TYPESCRIPT;
const compilers: [string, string][] = [
  ['7', TYPESCRIPT],
  ...(OLDER ? [['5.9', OLDER] as [string, string]] : []),
];

const readme = readFileSync(join(root, 'README.md'), 'utf8');
const programs = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code);
const OPTIONS = { target: 'ES2023', strict: true, skipLibCheck: false, noEmit: true };

/** A program that imports everything of each entry, so that all declarations are checked. */
const importing = (entries: readonly string[]) =>
  entries
    .map((entry, i) => `import * as entry${i} from '${entry.replace('.', 'tip-adapter')}';\nvoid entry${i};`)
    .join('\n');

function linkPackage(name: string): void {
  const link = join(project, 'node_modules', name);
  mkdirSync(dirname(link), { recursive: true });
  symlinkSync(join(root, 'node_modules', name), link, 'junction');
}

beforeAll(() => {
  const installed = join(project, 'node_modules/tip-adapter');
  emitDeclarations(join(installed, 'dist'));
  const described = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  writeFileSync(join(installed, 'package.json'), JSON.stringify(described));
  for (const name of [...Object.keys(described.dependencies), '@types/node']) linkPackage(name);
  writeFileSync(join(project, 'package.json'), '{"type":"module"}');
  programs.forEach((code, i) => {
    writeFileSync(join(project, `readme${i}.ts`), code!);
  });
  const entries = Object.keys(ENTRIES).filter((entry) => !/\(browser\)$|^\.\/web/.test(entry));
  writeFileSync(join(project, 'all.ts'), importing(entries));
  writeFileSync(join(project, 'page.ts'), importing(PORTABLE));
});

/** Entries that also run in a page. */
const PORTABLE = ['./math', './graph', './engine', './metrics', './methods', './tuning', './web'];

function check(compiler: string, compilerOptions: object, files: readonly string[]): string {
  const config = join(project, 'tsconfig.json');
  writeFileSync(config, JSON.stringify({ compilerOptions: { ...OPTIONS, ...compilerOptions }, files }));
  return tsc(compiler, ['-p', config], project);
}

const MODULES = [
  { module: 'NodeNext', moduleResolution: 'NodeNext' },
  { module: 'ESNext', moduleResolution: 'Bundler' },
];

describe.each(compilers)('TypeScript %s', { timeout: 240_000 }, (_, compiler) => {
  it.each(
    MODULES.flatMap((module) => [
      { ...module, lib: ['ES2023'], types: ['node'] },
      {
        ...module,
        lib: ['ES2023', 'DOM', 'DOM.Iterable'],
        types: ['node'],
        exactOptionalPropertyTypes: true,
      },
    ]),
  )(
    'checks a program for Node with $moduleResolution, $lib, exact optional properties: $exactOptionalPropertyTypes',
    (options) => {
      const files = ['all.ts', ...programs.map((_, i) => `readme${i}.ts`)];
      expect(check(compiler, options, files)).toBe('');
    },
  );

  it("checks a page's program without Node's types", () => {
    const options = { ...MODULES[1], lib: ['ES2023', 'DOM'], types: [], customConditions: ['browser'] };
    expect(check(compiler, options, ['page.ts'])).toBe('');
  });
});
