import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { createEngine } from '../../engine/node.ts';
import type { Tensor } from '../../math/tensor.ts';
import { parseSafetensors } from '../../store/safetensors.ts';
import { openCheckpoint } from './checkpoint.ts';
import { clipFacts } from './facts.ts';
import { imageGraph, textGraph } from './towers.ts';
import { type Checkpoint, type ClipShape, shapeOf } from './weights.ts';

const engine = createEngine({ threads: 1 });
afterAll(() => engine.close());

const golden = join(import.meta.dirname, '../../../../shared/golden/families');
const tensorsOf = (folder: string, name: string) =>
  parseSafetensors(readFileSync(join(golden, folder, `${name}.safetensors`))).tensors;

async function factsOf(folder: string) {
  const weights = ['model.safetensors', 'open_clip_model.safetensors', 'ViT-tiny.pt'].find((name) =>
    existsSync(join(golden, folder, name)),
  );
  const checkpoint = await openCheckpoint(join(golden, folder, weights!));
  onTestFinished(checkpoint.close);
  const read = (path: string) =>
    existsSync(join(golden, folder, path))
      ? JSON.parse(readFileSync(join(golden, folder, path), 'utf8'))
      : undefined;
  return { checkpoint, facts: await clipFacts(checkpoint, read) };
}

async function expectAgreement(folder: string, checkpoint: Checkpoint, shape: ClipShape): Promise<void> {
  const inputs = tensorsOf(folder, 'inputs');
  const outputs = tensorsOf(folder, 'outputs');
  const image = await engine.compile(await imageGraph(checkpoint, shape));
  const { image_embeds } = await image.run({ pixel_values: inputs.get('pixel_values') as Tensor });
  expect(difference(image_embeds!, outputs.get('image_embeds') as Tensor)).toBeLessThan(1e-5);
  const text = await engine.compile(await textGraph(checkpoint, shape));
  const { shape: size, data } = inputs.get('input_ids') as Tensor;
  const ids: Tensor = { dtype: 'int64', shape: size, data: BigInt64Array.from(data as Int32Array, BigInt) };
  const { text_embeds } = await text.run({ input_ids: ids });
  expect(difference(text_embeds!, outputs.get('text_embeds') as Tensor)).toBeLessThan(1e-5);
}

/** Largest difference, as a share of the largest magnitude. */
function difference(got: Tensor, wanted: Tensor): number {
  const [a, b] = [got.data as Float32Array, wanted.data as Float64Array];
  expect(a.length).toBe(b.length);
  let [worst, largest] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    worst = Math.max(worst, Math.abs(a[i]! - b[i]!));
    largest = Math.max(largest, Math.abs(b[i]!));
  }
  return worst / largest;
}

describe.skipIf(!existsSync(golden))('variants of CLIP (../shared/golden/families)', () => {
  it.each([
    ['hf-clip-gelu', { image: { activation: 'gelu' }, text: { activation: 'gelu' } }],
    ['hf-clip-mixed', { image: { activation: 'gelu' }, text: { heads: 4, activation: 'quick_gelu' } }],
    ['hf-clip-eos', { end: 120 }],
    ['openclip-vit-gelu', { image: { heads: 4, activation: 'gelu' } }],
    ['openclip-vit-quickgelu', { image: { heads: 4, activation: 'quick_gelu' } }],
    ['openclip-custom-argmax', { image: { heads: 4 }, texts: { causal: false, pool: 'end' } }],
    [
      'openclip-custom-clipa',
      { pictures: { pool: 'mean-norm', preNorm: false }, texts: { causal: false, pool: 'last' } },
    ],
    ['openclip-custom-metaclip2', { end: 2 }],
    ['torchscript-openai', undefined],
    ['hf-siglip', { image: { heads: 3, activation: 'gelu_tanh', epsilon: 1e-6 } }],
  ])('%s is computed as PyTorch does', async (folder, recipe) => {
    const { checkpoint, facts } = await factsOf(folder);
    if (recipe) expect(facts.recipe).toMatchObject(recipe);
    else expect(facts.recipe).toBeUndefined();
    await expectAgreement(folder, checkpoint, facts.shape);
  });

  it('openclip-siglip-timm is computed as PyTorch does', async () => {
    const checkpoint = await openCheckpoint(join(golden, 'openclip-siglip-timm/open_clip_model.safetensors'));
    onTestFinished(checkpoint.close);
    // Its image tower has a name that timm does not know, so that the configuration cannot be read.
    const tower = { epsilon: 1e-6, heads: () => 4 };
    const shape = shapeOf(checkpoint, {
      image: { ...tower, activation: 'gelu_tanh', pool: 'attention', preNorm: false },
      text: { ...tower, activation: 'gelu_tanh', causal: false, pool: 'last' },
    });
    await expectAgreement('openclip-siglip-timm', checkpoint, shape);
  });

  it.each([['openclip-siglip-timm', 'timm_model_name']])('%s is refused by name', async (folder, field) => {
    await expect(factsOf(folder)).rejects.toThrow(field);
  });
});
