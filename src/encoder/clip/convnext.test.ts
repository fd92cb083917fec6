import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createEngine } from '../../engine/node.ts';
import { floatTensor, type Tensor } from '../../math/tensor.ts';
import { parseSafetensors } from '../../store/safetensors.ts';
import { clipCheckpoint } from './checkpoint.ts';
import { clipFacts } from './facts.ts';
import { featureCount, projectionOf } from './projection.ts';
import { imageGraph, textGraph } from './towers.ts';

const engine = createEngine({ threads: 1 });
afterAll(() => engine.close());

const golden = join(import.meta.dirname, '../../../tests/fixtures/golden/convnext/convnext.safetensors');
const { tensors } = parseSafetensors(Uint8Array.from(readFileSync(golden)));
const SIDE = 64;
const pixel_values = floatTensor(
  [2, 3, SIDE, SIDE],
  Float32Array.from({ length: 2 * 3 * SIDE * SIDE }, (_, i) => ((37 * i) % 256) / 128 - 1),
);

/** open_clip's configuration of the small model with one of the projections. */
const configuration = (projection: 'linear' | 'mlp', vision: object = {}) => ({
  model_cfg: {
    embed_dim: 6,
    vision_cfg: {
      timm_model_name: 'convnext_base',
      timm_model_pretrained: false,
      timm_pool: '',
      timm_proj: projection,
      timm_drop: 0,
      timm_drop_path: 0.1,
      image_size: SIDE,
      ...vision,
    },
    text_cfg: { context_length: 6, vocab_size: 10, width: 8, heads: 2, layers: 1 },
  },
});

async function openSmall(projection: 'linear' | 'mlp', vision?: object) {
  const other = projection === 'linear' ? 'visual.head.mlp.' : 'visual.head.proj.';
  const own = [...tensors].filter(([name]) => !name.startsWith('outputs.') && !name.startsWith(other));
  const checkpoint = clipCheckpoint({
    shapes: new Map(own.map(([name, { shape }]) => [name, shape])),
    tensor: async (name) => new Map(own).get(name) as Tensor,
    close: async () => {},
  });
  const json = configuration(projection, vision);
  const facts = await clipFacts(checkpoint, (path) => (path === 'open_clip_config.json' ? json : undefined));
  return { checkpoint, facts };
}

function expectNear(got: Tensor, name: string): void {
  const wanted = tensors.get(`outputs.${name}`)!.data as Float32Array;
  const largest = Math.max(...wanted.map(Math.abs));
  expect(got.data.length).toBe(wanted.length);
  wanted.forEach((value, i) => {
    expect(Math.abs(Number(got.data[i]) - value) / largest).toBeLessThan(1e-5);
  });
}

describe('a ConvNeXt of timm as image tower of open_clip', () => {
  it.each([
    ['linear', 'proj', 12],
    ['mlp', 'mlp', undefined],
  ] as const)('is computed as PyTorch does, with the projection %s', async (projection, output, features) => {
    const { checkpoint, facts } = await openSmall(projection);
    expect(facts.recipe).toEqual({
      image: { epsilon: 1e-6 },
      text: { heads: 2, activation: 'gelu', epsilon: 1e-5 },
    });
    expect(facts.preprocessing.crop).toBe(SIDE);
    expect(facts.shape.image).toMatchObject({ kind: 'convnext', layers: [1, 1, 2, 1], width: 12 });
    expect(featureCount(facts.shape)).toBe(features);
    const image = await engine.compile(await imageGraph(checkpoint, facts.shape));
    expectNear((await image.run({ pixel_values })).image_embeds!, output);
    const text = await engine.compile(await textGraph(checkpoint, facts.shape));
    const input_ids: Tensor = {
      dtype: 'int64',
      shape: [1, 6],
      data: BigInt64Array.from([8, 1, 2, 9, 0, 0], BigInt),
    };
    expectNear((await text.run({ input_ids })).text_embeds!, 'text');
  });

  it('has its features before a linear projection', async () => {
    const { checkpoint, facts } = await openSmall('linear');
    const { weight, bias } = await projectionOf(checkpoint, facts.shape);
    const shape = { ...facts.shape, features: 12 };
    const session = await engine.compile(await imageGraph(checkpoint, shape));
    const { image_embeds: rows } = await session.run({ pixel_values });
    expect([bias, rows!.shape, weight.rows, weight.cols]).toEqual([0, [2, 18], 12, 6]);
  });

  it.each([
    [{ timm_model_name: 'convnextv2_base' }, 'timm_model_name'],
    [{ timm_model_name: undefined }, 'configuration is of another model'],
    [{ timm_pool: 'rot_attn' }, 'timm_pool'],
    [{ image_size: 16 }, 'smaller'],
  ])('is refused with %j', async (vision, message) => {
    await expect(openSmall('linear', vision)).rejects.toThrow(message);
  });

  it('follows the epsilon of its name and the size of its configuration', async () => {
    const { facts } = await openSmall('linear', { timm_model_name: 'convnext_xxlarge', image_size: 96 });
    expect(facts.recipe?.image).toEqual({ epsilon: 1e-5 });
    expect(facts.preprocessing.crop).toBe(96);
  });
});
