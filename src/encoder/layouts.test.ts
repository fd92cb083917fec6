import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createEngine } from '../engine/node.ts';
import type { Engine } from '../engine/types.ts';
import { startFakeHub } from '../store/fake-hub.fixture.ts';
import { describeFolder } from './dual-record.ts';
import { encoderOf } from './encoder-of.ts';
import { type EncoderSource, encoderSource } from './encoder-source.ts';
import { pullEncoder } from './pull.ts';
import type { PairRecord } from './record.ts';
import { SIDE, type TinyTower, tinyModel, type Weights, WIDTH } from './tiny-models.fixture.ts';

/** One ONNX file of a layout. The mark of its embeddings is its place in the list, counted from 1. */
interface Model {
  readonly path: string;
  readonly has: 'image' | 'text' | 'both';
  readonly weights?: Weights;
  readonly image?: Partial<TinyTower>;
  readonly text?: Partial<TinyTower>;
  /** Name of the file with the weights, beside the model. */
  readonly external?: string;
}

interface Layout {
  readonly name: string;
  readonly models: readonly Model[];
  readonly precision?: string;
  /** The paths of the towers that are used. */
  readonly uses: readonly [image: string, text: string];
  readonly files?: Readonly<Record<string, object>>;
  /** Tokens that the text "a b" is padded to. */
  readonly padded?: number;
}

const image = (path: string, rest: Partial<Model> = {}): Model => ({ path, has: 'image', ...rest });
const text = (path: string, rest: Partial<Model> = {}): Model => ({ path, has: 'text', ...rest });
const both = (path: string, rest: Partial<Model> = {}): Model => ({ path, has: 'both', ...rest });

/** Two towers with the suffix of a precision, after the fp32 pair, in `onnx/`. */
function pair(suffix: string, weights: Weights, halfInput = false): Model[] {
  const own = halfInput ? { image: { dtype: 'float16' } as const } : {};
  return [
    ...PLAIN,
    image(`onnx/vision_model${suffix}.onnx`, { weights, ...own }),
    text(`onnx/text_model${suffix}.onnx`, { weights }),
  ];
}
const PLAIN = [image('onnx/vision_model.onnx'), text('onnx/text_model.onnx')];
const ROOT = ['vision_model.onnx', 'text_model.onnx'] as const;
const ONNX = ['onnx/vision_model.onnx', 'onnx/text_model.onnx'] as const;
const suffixed = (vision: string, words = vision) =>
  [`onnx/vision_model${vision}.onnx`, `onnx/text_model${words}.onnx`] as const;

const IMMICH = ['visual/model.onnx', 'textual/model.onnx'] as const;
const immich = (own: Partial<TinyTower> = {}, rest: Partial<Model> = {}) => [
  image(IMMICH[0], { image: { input: 'image', output: 'image_embedding', ...own }, ...rest }),
  text(IMMICH[1], { text: { input: 'text', output: 'text_embedding', dtype: 'int32' } }),
];
const pixels = {
  size: [SIDE, SIDE],
  mode: 'RGB',
  mean: [0, 0, 0],
  std: [1, 1, 1],
  interpolation: 'bicubic',
  resize_mode: 'squash',
  fill_color: 0,
};
const vocabulary = { '[UNK]': 0, a: 1, b: 2 };
const tokenizer = {
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: { type: 'BertPreTokenizer' },
  post_processor: null,
  decoder: null,
  model: {
    type: 'WordPiece',
    unk_token: '[UNK]',
    continuing_subword_prefix: '##',
    max_input_chars_per_word: 9,
    vocab: vocabulary,
  },
};
const openClip = (text_cfg: object) => ({
  'visual/preprocess_cfg.json': pixels,
  'textual/tokenizer.json': tokenizer,
  'config.json': { embed_dim: WIDTH, vision_cfg: { image_size: SIDE }, text_cfg },
});
const processor = {
  image_processor_type: 'SiglipImageProcessor',
  size: { height: SIDE, width: SIDE },
  image_mean: [0, 0, 0],
  image_std: [1, 1, 1],
};
const TRANSFORMERS = {
  'preprocessor_config.json': processor,
  'tokenizer.json': tokenizer,
  'config.json': { model_type: 'clip', projection_dim: WIDTH },
};
const nulls = (names: string[]) => Object.fromEntries(names.map((name) => [name, null]));

const LAYOUTS: Layout[] = [
  { name: 'two models', models: ROOT.map((path, i) => (i ? text(path) : image(path))), uses: ROOT },
  { name: 'two models in onnx/', models: PLAIN, uses: ONNX },
  { name: 'one model', models: [both('model.onnx')], uses: ['model.onnx', 'model.onnx'] },
  {
    name: 'one model in onnx/',
    models: [both('onnx/model.onnx')],
    uses: ['onnx/model.onnx', 'onnx/model.onnx'],
  },
  {
    name: 'two models beside the joined one',
    models: [both('onnx/model.onnx'), ...PLAIN],
    uses: ONNX,
  },
  {
    name: 'an image tower alone beside the joined model',
    models: [both('onnx/model.onnx'), PLAIN[0]!],
    uses: ['onnx/model.onnx', 'onnx/model.onnx'],
  },
  {
    name: '#fp16 that reads halves',
    models: pair('_fp16', 'half', true),
    precision: 'fp16',
    uses: suffixed('_fp16'),
  },
  {
    name: '#fp16 that reads floats',
    models: pair('_fp16', 'half'),
    precision: 'fp16',
    uses: suffixed('_fp16'),
  },
  { name: '#q8', models: pair('_quantized', 'uint8'), precision: 'q8', uses: suffixed('_quantized') },
  {
    name: '#quantized',
    models: pair('_quantized', 'int8'),
    precision: 'quantized',
    uses: suffixed('_quantized'),
  },
  { name: '#int8', models: pair('_int8', 'int8'), precision: 'int8', uses: suffixed('_int8') },
  { name: '#uint8', models: pair('_uint8', 'uint8'), precision: 'uint8', uses: suffixed('_uint8') },
  { name: '#q4', models: pair('_q4', 'q4'), precision: 'q4', uses: suffixed('_q4') },
  { name: '#q4f16', models: pair('_q4f16', 'q4', true), precision: 'q4f16', uses: suffixed('_q4f16') },
  { name: '#bnb4', models: pair('_bnb4', 'bnb4'), precision: 'bnb4', uses: suffixed('_bnb4') },
  {
    name: '#vision=fp16,text=q8',
    models: [...pair('_fp16', 'half', true), ...pair('_quantized', 'uint8').slice(2)],
    precision: 'vision=fp16,text=q8',
    uses: suffixed('_fp16', '_quantized'),
  },
  {
    name: '#text=q4, with pictures in fp32',
    models: pair('_q4', 'q4'),
    precision: 'text=q4',
    uses: suffixed('', '_q4'),
  },
  {
    name: '#text=bnb4,vision=int8, in another order',
    models: [...pair('_int8', 'int8'), ...pair('_bnb4', 'bnb4').slice(2)],
    precision: 'text=bnb4,vision=int8',
    uses: suffixed('_int8', '_bnb4'),
  },
  {
    name: 'a joined model of each precision',
    models: [
      both('onnx/model_fp16.onnx', { weights: 'half' }),
      both('onnx/model_q4.onnx', { weights: 'q4' }),
    ],
    precision: 'vision=q4,text=fp16',
    uses: ['onnx/model_q4.onnx', 'onnx/model_fp16.onnx'],
  },
  {
    name: 'weights in model.onnx_data',
    models: [both('onnx/model.onnx', { external: 'model.onnx_data' })],
    uses: ['onnx/model.onnx', 'onnx/model.onnx'],
  },
  {
    name: 'weights in vision_model_fp16.onnx.data',
    models: [
      ...PLAIN,
      image('onnx/vision_model_fp16.onnx', { weights: 'half', external: 'vision_model_fp16.onnx.data' }),
      text('onnx/text_model_fp16.onnx', { weights: 'half' }),
    ],
    precision: 'fp16',
    uses: suffixed('_fp16'),
  },
  {
    name: 'weights in a file of any name',
    models: [image('vision_model.onnx', { external: 'weights.bin' }), text('text_model.onnx')],
    uses: ROOT,
  },
  {
    name: "Immich's export for floats",
    models: immich(),
    files: openClip({ context_length: 6 }),
    uses: IMMICH,
    padded: 6,
  },
  {
    name: "Immich's export for bytes",
    models: immich({ dtype: 'uint8' }),
    files: openClip({ context_length: 6 }),
    uses: IMMICH,
    padded: 6,
  },
  {
    name: "Immich's export with weights named by a UUID",
    models: immich({}, { external: '3b719d32-4886-11ef-a2ee-00155d655292' }),
    files: openClip({
      context_length: 6,
      hf_tokenizer_name: 'x',
      tokenizer_kwargs: { clean: 'canonicalize' },
    }),
    uses: IMMICH,
    padded: 6,
  },
  {
    name: 'a text tower with a mask, positions and int32',
    models: [
      PLAIN[0]!,
      text(ONNX[1], {
        text: { dtype: 'int32', others: ['attention_mask', 'position_ids', 'token_type_ids'] },
      }),
    ],
    uses: ONNX,
  },
  {
    name: 'models with a batch of one',
    models: [image(ONNX[0], { image: { batch: 1 } }), text(ONNX[1], { text: { batch: 1 } })],
    uses: ONNX,
  },
  {
    name: 'outputs and inputs with other names',
    models: [
      image(ONNX[0], { image: { input: 'input', output: 'embeds' } }),
      text(ONNX[1], { text: { output: 'sentence_embedding' } }),
    ],
    uses: ONNX,
  },
  {
    name: 'the outputs of SigLIP, padded to its length',
    models: [
      image(ONNX[0], { image: { output: 'pooler_output' } }),
      text(ONNX[1], { text: { output: 'pooler_output' } }),
    ],
    files: {
      ...TRANSFORMERS,
      'config.json': {
        model_type: 'siglip',
        text_config: { max_position_embeddings: 8, projection_dim: WIDTH },
      },
    },
    uses: ONNX,
    padded: 8,
  },
  {
    name: 'configurations with nulls',
    models: PLAIN,
    files: {
      'preprocessor_config.json': {
        ...nulls([
          'crop_size',
          'data_format',
          'device',
          'do_center_crop',
          'do_pad',
          'pad_size',
          'resample',
          'rescale_factor',
        ]),
        ...processor,
      },
      'tokenizer.json': { ...tokenizer, truncation: null, padding: null, added_tokens: null },
      'tokenizer_config.json': nulls(['model_max_length', 'pad_token', 'tokenizer_class', 'eos_token']),
      'config.json': {
        ...nulls(['model_type', 'logit_scale_init_value', 'text_config', 'text_cfg', 'embed_dim']),
        projection_dim: WIDTH,
      },
    },
    uses: ONNX,
  },
  {
    name: 'the processor_config.json of transformers 5',
    models: PLAIN,
    files: {
      'processor_config.json': { image_processor: processor, processor_class: 'SiglipProcessor' },
      'tokenizer.json': tokenizer,
      'config.json': { projection_dim: WIDTH },
    },
    uses: ONNX,
  },
  {
    name: 'no config.json, so that the towers are asked for their dimension',
    models: PLAIN,
    files: { 'preprocessor_config.json': processor, 'tokenizer.json': tokenizer },
    uses: ONNX,
  },
];

describe('layouts of ONNX exports on the hub', () => {
  let engine: Engine;
  let root: string;
  beforeAll(async () => {
    engine = createEngine({ threads: 1 });
    root = await mkdtemp(join(tmpdir(), 'layouts-'));
  });
  afterAll(async () => {
    await engine.close();
    await rm(root, { recursive: true });
  });

  async function written({ models, files = TRANSFORMERS }: Layout, name: string): Promise<string> {
    const folder = join(root, name);
    const write = async (path: string, content: Uint8Array | string) => {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), content);
    };
    for (const [path, json] of Object.entries(files)) await write(path, JSON.stringify(json));
    for (const [i, { path, has, weights, external, ...own }] of models.entries()) {
      const mark = i + 1;
      const towers = {
        image: { mark, input: 'pixel_values', output: 'image_embeds', ...own.image },
        text: { mark, input: 'input_ids', output: 'text_embeds', ...own.text },
      };
      const { model, data } = tinyModel(has === 'both' ? towers : { [has]: towers[has] }, {
        weights,
        external,
      });
      await write(path, model);
      if (external) await write(join(dirname(path), external), data);
    }
    return folder;
  }

  it('are pulled from the hub whole, with weights that only the models name', async () => {
    const layout = LAYOUTS.find(({ name }) => name === 'weights in a file of any name')!;
    const folder = await written(layout, 'hub');
    const files: Record<string, Uint8Array> = { 'README.md': new Uint8Array(9) };
    for (const name of await readdir(folder)) files[name] = await readFile(join(folder, name));
    const hub = await startFakeHub({ 'tiny/odd': { files } });
    vi.stubEnv('HF_ENDPOINT', hub.endpoint);
    vi.stubEnv('TIP_ADAPTER_HOME', join(root, 'home'));
    const told: number[] = [];
    const confirm = async ({ bytes = 0 }) => told.push(bytes) > 0;
    const { record } = await pullEncoder('hf:tiny/odd', { engine, confirm });
    await hub.close();
    vi.unstubAllEnvs();
    expect(record.files.map(({ path }) => path)).toContain('weights.bin');
    expect(told).toEqual([expect.any(Number), files['weights.bin']!.length]);
    expect(told[0]! + told[1]!).toBe(record.files.reduce((sum, { bytes }) => sum + bytes, 0));
  });

  it('are refused where only pointers of Git LFS are there', async () => {
    const layout = LAYOUTS.find(({ name }) => name === 'weights in a file of any name')!;
    for (const path of ['text_model.onnx', 'weights.bin', 'tokenizer.json']) {
      const folder = await written(layout, `pointer-${path}`);
      await writeFile(
        join(folder, path),
        'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n',
      );
      const source = encoderSource(folder) as EncoderSource & { kind: 'folder' };
      const error = { code: 'hub/lfs-pointer', message: expect.stringContaining(path) };
      await expect(describeFolder(folder, source, engine)).rejects.toMatchObject(error);
    }
  });

  it('name the place that a repository was moved to', async () => {
    const folder = await written(LAYOUTS[0]!, 'moved');
    const files: Record<string, Uint8Array> = {};
    for (const name of await readdir(folder)) files[name] = await readFile(join(folder, name));
    const hub = await startFakeHub({ 'new/name': { files }, 'old/name': { files: {}, movedTo: 'new/name' } });
    vi.stubEnv('HF_ENDPOINT', hub.endpoint);
    vi.stubEnv('TIP_ADAPTER_HOME', join(root, 'home'));
    const told: string[] = [];
    const confirm = async ({ source }: { source: string }) => told.push(source) > 0;
    const { record } = await pullEncoder('hf:old/name', { engine, confirm });
    await hub.close();
    vi.unstubAllEnvs();
    expect(told).toEqual([expect.stringMatching(/^hf:new\/name@[0-9a-f]{40} \(moved from hf:old\/name\)$/)]);
    expect(record).toMatchObject({ id: 'hf:old/name', source: 'hf:new/name' });
  });

  it.each(LAYOUTS.map((layout, i) => [layout.name, layout, i] as const))('%s', async (_, layout, i) => {
    const folder = await written(layout, `${i}`);
    const source = encoderSource(`${folder}${layout.precision ? `#${layout.precision}` : ''}`);
    const found = await describeFolder(folder, source as EncoderSource & { kind: 'folder' }, engine);
    const record = found as PairRecord;
    expect([record.imageModel, record.textModel]).toEqual(layout.uses);
    expect(record.dimension).toBe(WIDTH);
    const encoder = await encoderOf(record, folder, engine);
    const data = new Uint8Array(SIDE * SIDE * 3).map((_, p) => [51, 102, 204][p % 3]!);
    const pictures = await encoder.embedImages(Array(5).fill({ width: SIDE, height: SIDE, data }));
    const texts = await encoder.embedTexts!(['a b', 'b b']);
    await encoder.close();
    const marks = layout.uses.map((path) => 1 + layout.models.findIndex((model) => model.path === path));
    const near = (value: number, expected: number) =>
      expect(Math.abs(value / expected - 1)).toBeLessThan(0.02);
    // 16 pixels of 0.2 + 0.4 + 0.8; 48 times the mean of the tokens 1 and 2, and of 2 and 2, with zeros after them.
    for (const value of pictures.data) near(value, 16 * 1.4 * marks[0]!);
    const length = layout.padded ?? 2;
    near(texts.data[0]!, (48 * 3 * marks[1]!) / length);
    near(texts.data[WIDTH]!, (48 * 4 * marks[1]!) / length);
  });
});
