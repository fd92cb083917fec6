import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { interpreterEngine } from '../../engine/interpreter-engine.ts';
import { createEngine } from '../../engine/node.ts';
import { cosineRate } from '../../engine/training/schedule.ts';
import type { Engine } from '../../engine/types.ts';
import { floatTensor, sizeOf, type Tensor } from '../../math/tensor.ts';
import { fineTuningPlan } from './fine-tuning.ts';
import { changedMaps, changeOf, type LowRank, startMatrices } from './low-rank.ts';
import { CLIP_TEXT } from './text-transformer.ts';
import { CLIP_VIT } from './vit.ts';
import type { ClipShape } from './weights.ts';

const folder = join(import.meta.dirname, '../../../tests/fixtures/golden/clip_lora');
const golden = JSON.parse(readFileSync(join(folder, 'clip_lora.json'), 'utf8'));
const engine = createEngine({ threads: 1 });
afterAll(() => engine.close());

/** The model of tests/fixtures/golden/clip_lora/clip_lora.py, whose weights are waves. */
const [WIDTH, SIDE, PATCH, CONTEXT, VOCABULARY, DIMENSION, BLOCKS] = [16, 16, 8, 6, 12, 8, 2];
let made = 0;
function waves(shape: number[], scale = 0.3, middle = 0): Tensor {
  made++;
  const at = (i: number) => middle + scale * Math.sin(i * i * 0.37 + made);
  return floatTensor(
    shape,
    Float32Array.from({ length: sizeOf(shape) }, (_, i) => at(i + 1)),
  );
}
const tensors = new Map<string, Tensor>();
const put = (name: string, shape: number[], scale?: number, middle?: number) =>
  void tensors.set(name, waves(shape, scale, middle));
function norm(name: string): void {
  put(`${name}.weight`, [WIDTH], 0.1, 1);
  put(`${name}.bias`, [WIDTH], 0.1);
}
function block(name: string): void {
  norm(`${name}.ln_1`);
  norm(`${name}.ln_2`);
  const maps = [
    ...['attn.q_proj', 'attn.k_proj', 'attn.v_proj', 'attn.out_proj'].map(
      (map) => [map, WIDTH, WIDTH] as const,
    ),
    ['mlp.c_fc', 4 * WIDTH, WIDTH] as const,
    ['mlp.c_proj', WIDTH, 4 * WIDTH] as const,
  ];
  for (const [map, out, width] of maps) {
    put(`${name}.${map}.weight`, [out, width]);
    put(`${name}.${map}.bias`, [out]);
  }
}
put('visual.conv1.weight', [WIDTH, 3, PATCH, PATCH], 0.1);
put('visual.class_embedding', [WIDTH]);
put('visual.positional_embedding', [(SIDE / PATCH) ** 2 + 1, WIDTH]);
for (const name of ['visual.ln_pre', 'visual.ln_post', 'ln_final']) norm(name);
put('visual.proj', [WIDTH, DIMENSION]);
for (let i = 0; i < BLOCKS; i++) block(`visual.transformer.resblocks.${i}`);
put('token_embedding.weight', [VOCABULARY, WIDTH]);
put('positional_embedding', [CONTEXT, WIDTH]);
for (let i = 0; i < BLOCKS; i++) block(`transformer.resblocks.${i}`);
put('text_projection', [WIDTH, DIMENSION]);
const pixels = waves([4, 3, SIDE, SIDE], 1);

const common = { width: WIDTH, blocks: BLOCKS, heads: 2, activation: 'quick_gelu', epsilon: 1e-5 } as const;
const shape: ClipShape = {
  image: { ...common, ...CLIP_VIT, kind: 'vit', size: SIDE, patch: PATCH },
  text: { ...common, ...CLIP_TEXT, context: CONTEXT, vocabulary: VOCABULARY },
  dimension: DIMENSION,
};
const shapes = new Map([...tensors].map(([name, tensor]) => [name, tensor.shape]));
const checkpoint = { shapes, tensor: async (name: string) => tensors.get(name)!, close: async () => {} };
const facts = { shape, logitScale: 20 };
const ids = [9, 1, 2, 11, 0, 0, 9, 3, 4, 5, 11, 0, 9, 6, 11, 0, 0, 0];
const texts: Tensor = { dtype: 'int64', shape: [3, 6], data: BigInt64Array.from(ids, BigInt) };
const how: LowRank = { rank: 2, alpha: 1, dropout: 0, towers: 'both' };

/** The start of the Python program in place of random numbers. */
function start(): Record<string, Tensor> {
  const matrices = startMatrices(shapes, how, 1);
  const order = [...Array(2 * BLOCKS).keys()].flatMap((at) =>
    ['q', 'k', 'v'].map((part) => {
      const tower = at < BLOCKS ? 'visual.transformer' : 'transformer';
      return `${tower}.resblocks.${at % BLOCKS}.attn.${part}_proj.A`;
    }),
  );
  order.forEach((name, k) => {
    matrices[name] = floatTensor(
      [2, WIDTH],
      Float32Array.from({ length: 2 * WIDTH }, (_, i) => 0.25 * Math.sin((i + 1) ** 2 * 0.61 + k)),
    );
  });
  return matrices;
}

async function trained(runs: Engine, dropout: number) {
  const { spec, masks } = await fineTuningPlan(checkpoint, facts, texts, { ...how, dropout, seed: 1 });
  const trainer = await runs.train({ ...spec, parameters: start() });
  // The masks of the Python program in place of random ones.
  const kept = Object.entries(masks(4, 0)).map(([name, mask]): [string, Tensor] => [
    name,
    { ...mask, data: Uint8Array.from(mask.data as Uint8Array, (_, i) => Number((i * 7) % 4 !== 0)) },
  ]);
  const labels = floatTensor([4, 1], Float32Array.of(0, 1, 2, 1));
  const rate = cosineRate(0.002, 6, 0, 1e-6);
  const losses: number[] = [];
  for (let step = 0; step < 6; step++) {
    const feeds = { pixel_values: pixels, labels, ...Object.fromEntries(kept) };
    losses.push((await trainer.step(feeds, rate(step))).loss);
  }
  const { parameters } = await trainer.read();
  await trainer.close();
  return { losses, parameters };
}

const far = (got: ArrayLike<number>, expected: readonly number[]) => {
  expect(got.length).toBe(expected.length);
  return expected.reduce((most, x, i) => Math.max(most, Math.abs(x - got[i]!)), 0);
};

describe.each([
  ['interpreter', interpreterEngine()],
  ['node', engine],
] as const)('CLIP-LoRA on the %s engine', (_, runs) => {
  it('follows PyTorch: losses, low-rank matrices and merged weights', async () => {
    const { losses, parameters } = await trained(runs, 0);
    expect(far(losses, golden.losses)).toBeLessThan(1e-5);
    expect(Object.keys(parameters).sort()).toEqual(Object.keys(golden.matrices).sort());
    for (const [name, { data }] of Object.entries(parameters))
      expect(far(data as Float32Array, golden.matrices[name]), name).toBeLessThan(1e-5);
    const map = 'visual.transformer.resblocks.1.attn.v_proj';
    const weight = tensors.get(`${map}.weight`)!.data as Float32Array;
    const merged = changeOf(parameters, map, how)!.map((x, i) => x + weight[i]!);
    expect(far(merged, golden.merged)).toBeLessThan(1e-5);
  });

  it('leaves out the same inputs of the changes as PyTorch does with the same masks', async () => {
    const { losses } = await trained(runs, 0.25);
    expect(far(losses, golden.dropout)).toBeLessThan(1e-5);
  });
});

it('changes one tower alone, with the texts of the other as they are', async () => {
  const image = changedMaps(shapes, { towers: 'image' });
  const text = changedMaps(shapes, { towers: 'text' });
  expect(image).toHaveLength(3 * BLOCKS);
  expect(image.every((map) => map.startsWith('visual.'))).toBe(true);
  expect([...image, ...text].sort()).toEqual(changedMaps(shapes, { towers: 'both' }).sort());
  const embedded = waves([3, DIMENSION]);
  const { spec } = await fineTuningPlan(checkpoint, facts, embedded, { ...how, towers: 'image', seed: 1 });
  expect(Object.keys(spec.fixed!).filter((name) => /^clip\.(?!visual\.)/.test(name))).toEqual([]);
});

it('keeps each number with the probability 1 - dropout, and draws other masks in another step', async () => {
  const { masks } = await fineTuningPlan(checkpoint, facts, texts, { ...how, dropout: 0.25, seed: 1 });
  const [first, again, next] = [masks(4, 0), masks(4, 0), masks(4, 1)];
  expect(Object.keys(first)).toHaveLength(6 * BLOCKS);
  expect(again).toEqual(first);
  expect(next).not.toEqual(first);
  const all = Object.values(first).flatMap(({ data }) => Array.from(data as Uint8Array));
  expect(Math.abs(all.reduce((sum, x) => sum + x, 0) / all.length - 0.75)).toBeLessThan(0.02);
});
