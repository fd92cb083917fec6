import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createEngine } from '../../engine/node.ts';
import { input } from '../../graph/expression.ts';
import { interpret } from '../../graph/interpret.ts';
import { random } from '../../math/random.ts';
import { floatTensor, sizeOf, type Tensor } from '../../math/tensor.ts';
import { parseSafetensors } from '../../store/safetensors.ts';
import { resnetLayers } from './resnet.ts';
import { CLIP_TEXT, encodeEmbeddings, textLayers, textTower } from './text-transformer.ts';
import { asInputs, imageGraph, textGraph, weightsOf } from './towers.ts';
import { CLIP_VIT, vitLayers } from './vit.ts';
import { type Checkpoint, type ClipRules, openAiNames, shapeOf } from './weights.ts';

const engine = createEngine({ threads: 1 });
afterAll(() => engine.close());

const golden = join(import.meta.dirname, '../../../../shared/golden');
const read = (path: string) => parseSafetensors(readFileSync(join(golden, path))).tensors;

function checkpointOf(tensors: ReadonlyMap<string, Tensor>): Checkpoint {
  return {
    shapes: new Map([...tensors].map(([name, { shape }]) => [name, shape])),
    tensor: async (name) => {
      const found = tensors.get(name);
      if (!found) throw new Error(`no ${name}`);
      return found;
    },
    close: async () => {},
  };
}

function expectNear(got: ArrayLike<number>, expected: Tensor, tolerance: number): void {
  const values = expected.data as Float32Array;
  expect(got.length).toBe(values.length);
  let worst = 0;
  for (let i = 0; i < values.length; i++) worst = Math.max(worst, Math.abs(got[i]! - values[i]!));
  expect(worst).toBeLessThan(tolerance);
}

const tower = { activation: 'quick_gelu', epsilon: 1e-5, heads: (width: number) => width / 64 } as const;
const OPENAI: ClipRules = { image: { ...tower, ...CLIP_VIT }, text: { ...tower, ...CLIP_TEXT } };

const wholeNumbers = ({ shape, data }: Tensor): Tensor => ({
  dtype: 'int64',
  shape,
  data: BigInt64Array.from(data as Int32Array, BigInt),
});

describe.skipIf(!existsSync(golden))('CLIP from weights follows PyTorch (../shared/golden)', () => {
  it.each([
    ['ViT, OpenAI names', 'tiny_clip_vit', 'openai', 1e-4],
    ['ViT, Hugging Face names in half precision', 'tiny_clip_vit', 'hf', 1e-4],
    ['ResNet, OpenAI names', 'tiny_clip_rn', 'openai', 5e-4],
  ])('%s: both towers agree', async (_, folder, file, tolerance) => {
    const checkpoint = openAiNames(checkpointOf(read(`${folder}/${file}.safetensors`)));
    const shape = shapeOf(checkpoint, OPENAI);
    const inputs = read(`${folder}/inputs.safetensors`);
    const outputs = read(`${folder}/outputs.safetensors`);
    const image = await engine.compile(await imageGraph(checkpoint, shape));
    const { image_embeds } = await image.run({ pixel_values: inputs.get('pixel_values') as Tensor });
    expectNear(image_embeds!.data as Float32Array, outputs.get('image_embeds') as Tensor, tolerance);
    const text = await engine.compile(await textGraph(checkpoint, shape));
    const { text_embeds } = await text.run({ input_ids: wholeNumbers(inputs.get('input_ids') as Tensor) });
    expectNear(text_embeds!.data as Float32Array, outputs.get('text_embeds') as Tensor, tolerance);
  });

  it('ViT: intermediate results agree', async () => {
    const checkpoint = openAiNames(checkpointOf(read('tiny_clip_vit/openai.safetensors')));
    const shape = shapeOf(checkpoint, OPENAI);
    expect(shape).toMatchObject({
      dimension: 64,
      image: { size: 64, patch: 16, heads: 2 },
      text: { heads: 1 },
    });
    const outputs = read('tiny_clip_vit/outputs.safetensors');
    const inputs = read('tiny_clip_vit/inputs.safetensors');
    if (shape.image.kind !== 'vit') throw new Error('not a ViT');
    const image = shape.image;
    const pixels = input('pixel_values', ['n', 3, 64, 64]);
    const { embedded, blocks } = vitLayers(pixels, asInputs(checkpoint), image);
    const used = await weightsOf(checkpoint, (weights) => vitLayers(pixels, weights, image).blocks[0]!);
    const session = await engine.compile({ embedded, block0: blocks[0]! });
    const feeds = Object.fromEntries([...used].map(([name, tensor]) => [`clip.${name}`, tensor]));
    const got = await session.run({ ...feeds, pixel_values: inputs.get('pixel_values') as Tensor });
    expectNear(got.embedded.data as Float32Array, outputs.get('vision_after_ln_pre') as Tensor, 1e-4);
    expectNear(got.block0.data as Float32Array, outputs.get('vision_after_block0') as Tensor, 1e-4);
  });

  it('ResNet: the feature maps of the first picture agree', async () => {
    const checkpoint = openAiNames(checkpointOf(read('tiny_clip_rn/openai.safetensors')));
    const { image } = shapeOf(checkpoint, OPENAI);
    if (image.kind !== 'resnet') throw new Error('not a ResNet');
    expect(image).toMatchObject({ size: 64, layers: [1, 1, 1, 1], heads: 8 });
    const pixels = input('pixel_values', ['n', 3, 64, 64]);
    const maps = resnetLayers(pixels, asInputs(checkpoint), image);
    const used = await weightsOf(checkpoint, (weights) => resnetLayers(pixels, weights, image)[4]!);
    const names = ['stem', 'layer1', 'layer2', 'layer3', 'layer4'];
    const session = await engine.compile(Object.fromEntries(maps.map((map, i) => [names[i], map])));
    const feeds = Object.fromEntries([...used].map(([name, tensor]) => [`clip.${name}`, tensor]));
    const all = read('tiny_clip_rn/inputs.safetensors').get('pixel_values') as Tensor;
    const first = floatTensor([1, 3, 64, 64], (all.data as Float32Array).slice(0, 3 * 64 * 64));
    const got = await session.run({ ...feeds, pixel_values: first });
    const outputs = read('tiny_clip_rn/outputs.safetensors');
    for (const name of names) {
      expectNear(got[name]!.data as Float32Array, outputs.get(`vision_after_${name}`) as Tensor, 5e-4);
    }
  });
});

describe('a small random text tower', () => {
  const shape = {
    ...CLIP_TEXT,
    context: 9,
    width: 8,
    blocks: 2,
    vocabulary: 20,
    heads: 2,
    activation: 'gelu',
    epsilon: 1e-5,
  } as const;
  const tensors = new Map<string, Tensor>();
  const noise = random('text tower');
  const add = (name: string, dims: number[], scale = 0.3) =>
    tensors.set(
      name,
      floatTensor(
        dims,
        Float32Array.from({ length: sizeOf(dims) }, () => scale * noise.normal()),
      ),
    );
  add('token_embedding.weight', [20, 8]);
  add('positional_embedding', [9, 8]);
  add('text_projection', [8, 5]);
  add('ln_final.weight', [8], 1);
  add('ln_final.bias', [8]);
  add('visual.conv1.weight', [4, 3, 2, 2]);
  for (let i = 0; i < shape.blocks; i++) {
    const block = `transformer.resblocks.${i}`;
    for (const norm of ['ln_1', 'ln_2'])
      for (const part of ['weight', 'bias']) add(`${block}.${norm}.${part}`, [8], 1);
    add(`${block}.attn.in_proj_weight`, [24, 8]);
    add(`${block}.attn.in_proj_bias`, [24]);
    add(`${block}.attn.out_proj.weight`, [8, 8]);
    add(`${block}.attn.out_proj.bias`, [8]);
    add(`${block}.mlp.c_fc.weight`, [32, 8]);
    add(`${block}.mlp.c_fc.bias`, [32]);
    add(`${block}.mlp.c_proj.weight`, [8, 32]);
    add(`${block}.mlp.c_proj.bias`, [8]);
  }
  const checkpoint = openAiNames(checkpointOf(tensors));
  const ids: Tensor = {
    dtype: 'int64',
    shape: [2, 9],
    data: BigInt64Array.from([17, 3, 4, 19, 0, 0, 0, 0, 0, 17, 5, 6, 7, 8, 19, 0, 0, 0], BigInt),
  };

  it('is the same on the engine and on the interpreter, whole or cut after the longest text', async () => {
    const given = input('input_ids', ['n', 9], 'int64');
    const used = await weightsOf(checkpoint, (weights) => textTower(given, weights, shape));
    const feeds = Object.fromEntries([...used].map(([name, tensor]) => [`clip.${name}`, tensor]));
    const outputs = { text_embeds: textTower(given, asInputs(checkpoint), shape) };
    const plain = interpret(outputs, { ...feeds, input_ids: ids }).text_embeds;
    const session = await engine.compile(outputs);
    const { text_embeds } = await session.run({ ...feeds, input_ids: ids });
    expectNear(plain.data, text_embeds, 1e-5);

    const table = tensors.get('token_embedding.weight')?.data as Float32Array;
    const cut = [17, 3, 4, 19, 0, 0, 17, 5, 6, 7, 8, 19];
    const embeddings = Float32Array.from(
      { length: 12 * 8 },
      (_, at) => table[cut[Math.floor(at / 8)]! * 8 + (at % 8)]!,
    );
    const end = Float32Array.from(cut, (id) => Number(id === 19));
    const short = {
      out: encodeEmbeddings(input('e', [2, 6, 8]), input('end', [2, 6]), asInputs(checkpoint), shape),
    };
    const { out } = interpret(short, {
      ...feeds,
      e: floatTensor([2, 6, 8], embeddings),
      end: floatTensor([2, 6], end),
    });
    expectNear(out.data, text_embeds, 1e-5);
    expect(textLayers(input('e', [2, 6, 8]), asInputs(checkpoint), shape)).toHaveLength(2);
  });

  it('names a weight that is missing, and weights that are not CLIP', () => {
    expect(() => asInputs(checkpoint)('ln_final.gain')).toThrow('ln_final.gain');
    expect(() => openAiNames(checkpointOf(new Map([['fc.weight', ids]])))).toThrow('not those of a CLIP');
  });
});
