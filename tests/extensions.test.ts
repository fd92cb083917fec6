import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MAIN } from './built.ts';
import { linkPackage } from './documents.ts';

const repository = join(import.meta.dirname, '..');
const project = mkdtempSync(join(tmpdir(), 'extensions-'));
const at = (name: string) => join(project, name);

/** A project outside of this repository: the package, and one file for each extension, as the page shows them. */
const page = readFileSync(join(repository, 'docs/extending.md'), 'utf8');
const files = [...page.matchAll(/```js\n\/\/ (\S+)\n([\s\S]*?)```/g)].map(
  ([, name, code]) => [name!, code!] as const,
);

const tip = (...args: string[]) => run(MAIN, ...args);

function run(...program: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, program, {
    cwd: project,
    encoding: 'utf8',
    env: { ...process.env, TIP_ADAPTER_HOME: at('home') },
  });
  return { status, out: stdout, err: stderr };
}

beforeAll(async () => {
  linkPackage(project);
  for (const [name, code] of files) writeFileSync(at(name), code);
  for (const background of ['red', 'green', 'blue']) {
    mkdirSync(at(`photos/${background}`), { recursive: true });
    mkdirSync(at('flat'), { recursive: true });
    for (const side of [20, 30, 40, 100]) {
      const create = { width: side, height: side, channels: 3, background } as const;
      const picture = sharp({ create }).png();
      if (side < 100) await picture.toFile(at(`photos/${background}/${side}.png`));
      await picture.toFile(at(`flat/${background}-${side}.png`));
    }
  }
});
afterAll(() => rmSync(project, { recursive: true }));

describe('a project outside of this repository', () => {
  const own = ['--import', './votes.mjs', '--import', './colours.mjs'];
  const MODEL = 'colours.safetensors';
  const fit = [
    'fit',
    'photos',
    '-o',
    MODEL,
    '--encoder',
    './colours.mjs',
    '--method',
    './votes.mjs',
    '--weight',
    '3',
  ];

  it('adds a method and an encoder, in one file each', { timeout: 240_000 }, () => {
    const fitted = tip(...fit);
    expect([fitted.status, fitted.err]).toEqual([0, expect.any(String)]);
    expect(fitted.out).toContain('votes, weight 3');
    expect(fitted.out).toContain('encoder colours');
    const { predictions } = JSON.parse(tip('predict', MODEL, 'photos/red/20.png', '--json', ...own).out);
    expect(predictions[0]).toMatchObject({ name: 'red', image: 'photos/red/20.png' });
    expect(tip('explain', MODEL, 'photos/blue/20.png', '--json', ...own).out).toContain('"part": "cache"');
    expect(tip('export', MODEL, '--input', 'features', '-o', 'colours.onnx', ...own)).toMatchObject({
      status: 0,
    });
    const bench = tip(
      'bench',
      'photos',
      '--methods',
      './votes.mjs,prototype',
      '--encoders',
      './colours.mjs',
      '--shots',
      '1',
    );
    expect([bench.status, bench.err]).toEqual([0, expect.any(String)]);
    expect(bench.out).toMatch(/votes +100/);
  });

  it('adds a data set layout in one file', { timeout: 240_000 }, () => {
    const layout = ['--import', './prefix.mjs', '--import', './colours.mjs'];
    const small = ['--encoder', './colours.mjs', '--method', 'prototype'];
    expect(tip('fit', 'flat', '-o', 'flat.safetensors', ...small).err).toMatch(
      /flat has no labelled pictures/,
    );
    const fitted = tip('fit', 'flat', '-o', 'flat.safetensors', ...small, ...layout);
    expect([fitted.status, fitted.out]).toEqual([0, expect.stringContaining('3 classes, 9 examples')]);
    expect(fitted.err).toContain('read from pictures named <class>-<number>.png');
    const evaluated = tip('eval', 'flat.safetensors', 'flat', ...layout);
    expect([evaluated.status, evaluated.out]).toEqual([0, expect.stringContaining('3 of 3 pictures')]);
    // Data with other layouts are read as before.
    expect(tip('eval', 'flat.safetensors', 'photos', ...layout).err).toContain(
      'all its pictures are examples',
    );
  });

  it('does the same in a program', { timeout: 240_000 }, () => {
    expect(run('program.mjs')).toEqual({ status: 0, out: 'red\n', err: '' });
  });

  it('gets an error with a hint if they are not imported', () => {
    expect(tip('predict', MODEL, 'photos/red/20.png').err).toMatch(
      /uses the method "votes".*\nhint: .*--import/,
    );
    expect(tip('fit', 'photos', '-o', 'x.safetensors', '--method', './none.mjs').err).toMatch(
      /none\.mjs cannot be imported/,
    );
    expect(tip('predict', MODEL, 'photos/red/20.png', '--import', './votes.mjs').err).toContain('colours');
  });
});
