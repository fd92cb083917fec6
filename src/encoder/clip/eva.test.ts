import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { createEngine } from '../../engine/node.ts';
import { matrix, matrixOf } from '../../math/matrix.ts';
import { floatTensor, type Tensor } from '../../math/tensor.ts';
import { parseSafetensors } from '../../store/safetensors.ts';
import { clipCheckpoint } from './checkpoint.ts';
import { clipFacts } from './facts.ts';
import { featureCount, projectionOf } from './projection.ts';
import { imageGraph, textGraph } from './towers.ts';

const engine = createEngine({ threads: 1 });
afterAll(() => engine.close());

const golden = join(import.meta.dirname, '../../../tests/fixtures/golden/eva/eva.safetensors');
const { tensors } = parseSafetensors(Uint8Array.from(readFileSync(golden)));
const SIDE = 12;
const pixel_values = floatTensor(
  [2, 3, SIDE, SIDE],
  Float32Array.from({ length: 2 * 3 * SIDE * SIDE }, (_, i) => ((37 * i) % 256) / 128 - 1),
);

async function openSmall(vision: object = {}) {
  const own = new Map([...tensors].filter(([name]) => !name.startsWith('outputs.')));
  const checkpoint = clipCheckpoint({
    shapes: new Map([...own].map(([name, { shape }]) => [name, shape])),
    tensor: async (name) => own.get(name) as Tensor,
    close: async () => {},
  });
  // open_clip's configuration of the small model.
  const json = {
    model_cfg: {
      embed_dim: 6,
      vision_cfg: {
        timm_model_name: 'eva02_base_patch16_clip_224',
        timm_model_pretrained: false,
        timm_pool: 'token',
        timm_proj: null,
        image_size: SIDE,
        ...vision,
      },
      text_cfg: { context_length: 6, vocab_size: 10, width: 8, heads: 2, layers: 1 },
      custom_text: true,
    },
  };
  const facts = await clipFacts(checkpoint, (path) => (path === 'open_clip_config.json' ? json : undefined));
  return { checkpoint, facts };
}

function expectNear(got: Tensor, wanted: Float32Array): void {
  const largest = Math.max(...wanted.map(Math.abs));
  expect(got.data.length).toBe(wanted.length);
  wanted.forEach((value, i) => {
    expect(Math.abs(Number(got.data[i]) - value) / largest).toBeLessThan(1e-5);
  });
}

const output = (name: string) => tensors.get(`outputs.${name}`)!.data as Float32Array;

it('an EVA-02 of timm as image tower of open_clip is computed as PyTorch does', async () => {
  const { checkpoint, facts } = await openSmall();
  expect(facts.recipe).toEqual({
    image: { heads: 12, activation: 'silu', epsilon: 1e-6, grid: 16 },
    text: { heads: 2, activation: 'gelu', epsilon: 1e-5 },
  });
  expect(facts.shape.image).toMatchObject({ kind: 'eva', size: SIDE, patch: 4, width: 96, blocks: 1 });
  const image = await engine.compile(await imageGraph(checkpoint, facts.shape));
  expectNear((await image.run({ pixel_values })).image_embeds!, output('image'));
  const text = await engine.compile(await textGraph(checkpoint, facts.shape));
  const input_ids: Tensor = {
    dtype: 'int64',
    shape: [1, 6],
    data: BigInt64Array.from([8, 1, 2, 9, 0, 0], BigInt),
  };
  expectNear((await text.run({ input_ids })).text_embeds!, output('text'));
});

it('its features before the projection give its embeddings', async () => {
  const { checkpoint, facts } = await openSmall();
  const features = featureCount(facts.shape)!;
  const { weight, bias } = await projectionOf(checkpoint, facts.shape);
  expect([features, weight.rows, weight.cols, bias]).toEqual([97, 97, 6, 1]);
  const session = await engine.compile(await imageGraph(checkpoint, { ...facts.shape, features }));
  const rows = matrixOf((await session.run({ pixel_values })).image_embeds!);
  // A row holds the unit embedding and the unit features, so both are known up to their lengths.
  const row = rows.data.subarray(0, rows.cols);
  const projected = matrix(1, 6);
  for (let i = 0; i < features; i++)
    for (let j = 0; j < 6; j++) projected.data[j]! += row[6 + i]! * weight.data[i * 6 + j]!;
  const scale = Math.hypot(...row.subarray(0, 6)) / Math.hypot(...projected.data);
  expectNear(
    floatTensor(
      [6],
      projected.data.map((x) => x * scale),
    ),
    row.slice(0, 6) as Float32Array,
  );
});

it.each([
  [{ timm_model_name: 'eva02_enormous_patch14_clip_224' }, 'timm_model_name'],
  [{ timm_model_name: 'vit_base_patch16_siglip_224' }, 'not a square'],
  [{ timm_model_name: 'eva02_large_patch14_clip_224' }, 'whole rotations'],
  [{ image_size: 224 }, 'image_size'],
])('is refused with %j', async (vision, message) => {
  await expect(openSmall(vision)).rejects.toThrow(message);
});
