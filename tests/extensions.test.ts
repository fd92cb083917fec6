import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const repository = join(import.meta.dirname, '..');
const project = mkdtempSync(join(tmpdir(), 'extensions-'));
const at = (name: string) => join(project, name);

/** What a project outside of this repository has: the package, and one file for what it adds. */
const METHOD = `
import { mul } from 'tip-adapter/graph';
import { affinities, cacheTensors, classSums, defineMethod, keysOf, positive, WEIGHT } from 'tip-adapter/methods';

/** The examples' votes alone, with a weight: a cache without names. */
export default defineMethod({
  id: 'votes',
  name: 'Votes',
  paper: 'none',
  needs: ['examples'],
  options: { weight: positive({ default: 2, help: 'Weight of the votes.' }), beta: positive({ default: 5, help: 'Sharpness.' }) },
  fit: (_, { weight, beta }) => ({ weight, beta }),
  holds: () => ({ weight: WEIGHT, beta: WEIGHT }),
  prepare: (state, { support, classes }) => ({ ...state, ...cacheTensors(keysOf(support), support.labels, classes) }),
  terms: (f, state) => ({ cache: mul(classSums(f, state), state.weight) }),
  votes: (f, state) => mul(affinities(f, state), state.weight),
});
`;

const ENCODER = `
/** Mean colours as embeddings; names of colours as texts. */
const NAMES = { red: [1, 0, 0], green: [0, 1, 0], blue: [0, 0, 1] };
class Colours {
  id = 'colours';
  fingerprint = 'c'.repeat(64);
  dimension = 3;
  logitScale = 100;
  licence = 'MIT';
  source = 'here';
  preprocessing = {
    resize: 'shortest', resizeTo: 8, crop: 8, filter: 'bicubic', channels: 'rgb', layout: 'nchw', scale: 1 / 255,
    mean: [0, 0, 0], std: [1, 1, 1],
  };
  defaults = { alpha: 1, beta: 5.5, maxAlpha: 50, maxBeta: 50, template: 'the colour {}' };
  async embedImages(pixels) {
    const data = new Float32Array(3 * pixels.length);
    pixels.forEach(({ data: values }, i) => {
      values.forEach((value, j) => { data[3 * i + (j % 3)] += (3 * value) / 255 / values.length; });
    });
    return { rows: pixels.length, cols: 3, data };
  }
  async embedTexts(texts) {
    const rows = texts.map((text) => Object.entries(NAMES).find(([name]) => text.includes(name))?.[1] ?? [1, 1, 1]);
    return { rows: texts.length, cols: 3, data: Float32Array.from(rows.flat()) };
  }
  async close() {}
}
export const colours = new Colours();
`;

function tip(...args: string[]) {
  const program = ['--import', join(repository, 'tests/typescript.mjs'), join(repository, 'src/cli/main.ts')];
  const { status, stdout, stderr } = spawnSync(process.execPath, [...program, ...args], {
    cwd: project,
    encoding: 'utf8',
    env: { ...process.env, TIP_ADAPTER_HOME: at('home') },
  });
  return { status, out: stdout, err: stderr };
}

beforeAll(async () => {
  const folder = at('node_modules/tip-adapter');
  mkdirSync(folder, { recursive: true });
  symlinkSync(join(repository, 'src'), join(folder, 'src'));
  const exported = ['methods', 'graph', 'encoder'].map((name) => [`./${name}`, `./src/${name}/index.ts`]);
  const described = { name: 'tip-adapter', type: 'module', exports: Object.fromEntries(exported) };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(described));
  writeFileSync(at('votes.mjs'), METHOD);
  writeFileSync(at('colours.mjs'), ENCODER);
  for (const background of ['red', 'green', 'blue']) {
    mkdirSync(at(`photos/${background}`), { recursive: true });
    for (const side of [20, 30, 40]) {
      const create = { width: side, height: side, channels: 3, background } as const;
      await sharp({ create })
        .png()
        .toFile(at(`photos/${background}/${side}.png`));
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

  it('is told what is missing where they are not imported', () => {
    expect(tip('predict', MODEL, 'photos/red/20.png').err).toMatch(
      /uses the method "votes".*\nhint: .*--import/,
    );
    expect(tip('fit', 'photos', '-o', 'x.safetensors', '--method', './none.mjs').err).toMatch(
      /none\.mjs cannot be imported/,
    );
    expect(tip('predict', MODEL, 'photos/red/20.png', '--import', './votes.mjs').err).toContain('colours');
  });
});
