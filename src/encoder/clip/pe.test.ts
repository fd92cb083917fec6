import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
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

const golden = join(import.meta.dirname, '../../../tests/fixtures/golden/pe/pe.safetensors');
const { tensors } = parseSafetensors(Uint8Array.from(readFileSync(golden)));
const SIDE = 12;
const pixel_values = floatTensor(
  [2, 3, SIDE, SIDE],
  Float32Array.from({ length: 2 * 3 * SIDE * SIDE }, (_, i) => ((37 * i) % 256) / 128 - 1),
);
const TOWERS = { base: 'vit_pe_core_base_patch16_224', gigantic: 'vit_pe_core_gigantic_patch14_448' };

async function openSmall(name: keyof typeof TOWERS, vision: object = {}) {
  const own = new Map(
    [...tensors].flatMap(([path, tensor]): [string, Tensor][] =>
      path.startsWith(`${name}.`) && !path.includes('.outputs.')
        ? [[path.slice(name.length + 1), tensor]]
        : [],
    ),
  );
  const checkpoint = clipCheckpoint({
    shapes: new Map([...own].map(([path, { shape }]) => [path, shape])),
    tensor: async (path) => own.get(path) as Tensor,
    close: async () => {},
  });
  // open_clip's configuration of the small models.
  const vision_cfg = {
    ...{ timm_model_name: TOWERS[name], timm_model_pretrained: false, timm_pool: 'map', timm_proj: null },
    ...{ image_size: SIDE, ...vision },
  };
  const text_cfg = { context_length: 6, vocab_size: 10, width: 8, heads: 2, layers: 1 };
  const json = { model_cfg: { embed_dim: 6, vision_cfg, text_cfg, custom_text: true } };
  const facts = await clipFacts(checkpoint, (path) => (path === 'open_clip_config.json' ? json : undefined));
  return { checkpoint, facts };
}

function expectNear(got: ArrayLike<number | bigint>, wanted: Float32Array): void {
  const largest = Math.max(...wanted.map(Math.abs));
  expect(got.length).toBe(wanted.length);
  wanted.forEach((value, i) => {
    expect(Math.abs(Number(got[i]) - value) / largest).toBeLessThan(1e-5);
  });
}

const output = (name: string) => tensors.get(name)!.data as Float32Array;

describe.each(['base', 'gigantic'] as const)('a Perception Encoder of timm, %s', (name) => {
  it('is computed as PyTorch does', async () => {
    const { checkpoint, facts } = await openSmall(name);
    const image = await engine.compile(await imageGraph(checkpoint, facts.shape));
    expectNear((await image.run({ pixel_values })).image_embeds!.data, output(`${name}.outputs.image`));
    const text = await engine.compile(await textGraph(checkpoint, facts.shape));
    const tokens = BigInt64Array.from([8, 1, 2, 9, 0, 0], BigInt);
    const input_ids: Tensor = { dtype: 'int64', shape: [1, 6], data: tokens };
    expectNear((await text.run({ input_ids })).text_embeds!.data, output(`${name}.outputs.text`));
  });

  it('has features before the projection that give its embeddings', async () => {
    const { checkpoint, facts } = await openSmall(name);
    const features = featureCount(facts.shape)!;
    const { weight, bias } = await projectionOf(checkpoint, facts.shape);
    expect([weight.rows, weight.cols, bias]).toEqual([features, 6, 1]);
    const session = await engine.compile(await imageGraph(checkpoint, { ...facts.shape, features }));
    const { data } = matrixOf((await session.run({ pixel_values })).image_embeds!);
    // A row holds the unit embedding and the unit features, so both are known up to their lengths.
    const projected = matrix(1, 6).data;
    for (let i = 0; i < features; i++)
      for (let j = 0; j < 6; j++) projected[j]! += data[6 + i]! * weight.data[i * 6 + j]!;
    const scale = Math.hypot(...data.subarray(0, 6)) / Math.hypot(...projected);
    expectNear(
      projected.map((x) => x * scale),
      data.slice(0, 6),
    );
  });
});

it('what the shapes do not show is part of the fingerprint', async () => {
  const [base, gigantic] = [await openSmall('base'), await openSmall('gigantic')];
  const image = { activation: 'gelu', epsilon: 1e-5, pool: 8 };
  expect(base.facts.recipe).toMatchObject({ image: { ...image, heads: 12, grid: 14, offset: 1 } });
  expect(gigantic.facts.recipe).toMatchObject({ image: { ...image, heads: 16, grid: 32, offset: 0 } });
});

it.each([
  ['base', { timm_model_name: TOWERS.gigantic }, 'not a square'],
  ['gigantic', { timm_model_name: 'vit_base_patch16_siglip_224' }, 'which is not a multiple'],
  ['base', { timm_model_name: 'vit_pe_lang_large_patch14_448' }, 'timm_model_name'],
  ['base', { timm_model_name: 'vit_pe_core_large_patch14_336' }, 'whole rotations'],
  ['base', { image_size: 224 }, 'image_size'],
] as const)('%s is refused with %j', async (name, vision, message) => {
  await expect(openSmall(name, vision)).rejects.toThrow(message);
});
