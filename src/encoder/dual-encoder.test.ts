import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine, PortInfo } from '../engine/types.ts';
import { fromHalfBits, toHalf } from '../math/half.ts';
import { row } from '../math/matrix.ts';
import type { Tensor } from '../math/tensor.ts';
import { dualEncoder } from './dual-encoder.ts';
import { folderFiles } from './folder-files.ts';
import { recordOf } from './record.fixture.ts';
import type { PairRecord } from './record.ts';
import type { EncoderFiles } from './tower.ts';

const WORDS = { '[UNK]': 0, a: 1, b: 2, c: 3 };
const TOKENIZER = {
  version: '1.0',
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
    vocab: WORDS,
  },
};

const plain = recordOf('test');
const record: PairRecord = {
  ...plain,
  dimension: 2,
  preprocessing: { ...plain.preprocessing, resizeTo: 1, crop: 1 },
  text: { cleaning: 'none', length: 8, padding: 'longest', pad: 0 },
  imageModel: 'model.onnx',
  textModel: 'model.onnx',
};

const port = (name: string, dtype = 'float32', rank = 2): PortInfo => ({
  name,
  dtype,
  shape: Array(rank).fill(-1),
});

/** An engine whose models give [red, green] of a picture and [sum of tokens, width of the batch] of a text. */
function fakeEngine(inputs: PortInfo[], outputs: PortInfo[], seen: Record<string, Tensor>[] = []): Engine {
  const numbers = ({ data }: Tensor) => Array.from(data as ArrayLike<number>, Number);
  const results = (feeds: Record<string, Tensor>): Record<string, Tensor> => {
    const made: Record<string, Tensor> = {};
    for (const { name, dtype } of outputs) {
      const source = name.startsWith('text') ? feeds.input_ids! : feeds.pixel_values!;
      const n = source.shape[0]!;
      const values = numbers(source);
      const width = values.length / n;
      const rows = Array.from({ length: n }, (_, i) => {
        const own = values.slice(i * width, (i + 1) * width);
        if (!name.startsWith('text'))
          return source.dtype === 'float16' ? own.map(fromHalfBits).slice(0, 2) : own.slice(0, 2);
        return [own.reduce((a, b) => a + b, 0), width];
      });
      const data = Float32Array.from(rows.flat());
      made[name] =
        dtype === 'float16'
          ? { dtype, shape: [n, 2], data: toHalf(data) }
          : { dtype: 'float32', shape: [n, 2], data };
    }
    return made;
  };
  return {
    load: async () => ({
      inputs,
      outputs,
      run: async (feeds: Record<string, Tensor>) => {
        expect(Object.keys(feeds).sort()).toEqual(inputs.map(({ name }) => name).sort());
        seen.push(feeds);
        return results(feeds);
      },
      keep: async () => {},
      close: async () => {},
    }),
  } as unknown as Engine;
}

const pixel = (r: number, g: number) => ({ width: 1, height: 1, data: Uint8Array.of(r, g, 0) });

describe('a dual encoder', () => {
  let folder: string;
  let files: EncoderFiles;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dual-'));
    files = folderFiles(folder);
    await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(TOKENIZER));
    for (const model of ['model.onnx', 'vision_model.onnx'])
      await writeFile(join(folder, model), 'stands in');
  });
  afterAll(() => rm(folder, { recursive: true }));

  const combined = [
    port('pixel_values', 'float32', 4),
    port('input_ids', 'int64'),
    port('attention_mask', 'int64'),
  ];
  const both = [port('logits_per_image'), port('text_embeds'), port('image_embeds')];

  it('from one combined model also feeds the inputs of the other tower', async () => {
    const encoder = dualEncoder(record, files, fakeEngine(combined, both));
    const images = await encoder.embedImages([1, 2, 3, 4, 5].map((i) => pixel(i, 10 * i)));
    expect([...row(images, 4)]).toEqual([5, 50]);
    const texts = await encoder.embedTexts(['a b', 'c']);
    expect([...texts.data]).toEqual([3, 2, 3, 2]);
  });

  it('hides padding by the mask, and without one runs texts of equal length together', async () => {
    const seen: Record<string, Tensor>[] = [];
    const masked = [
      port('input_ids', 'int32'),
      port('attention_mask', 'int32'),
      port('position_ids', 'int64'),
    ];
    const two = { ...record, imageModel: 'vision_model.onnx' };
    const text = [port('text_embeds')];
    await dualEncoder(two, files, fakeEngine(masked, text, seen)).embedTexts(['a b c', 'b']);
    expect(seen).toHaveLength(1);
    expect([...seen[0]!.attention_mask!.data]).toEqual([1, 1, 1, 1, 0, 0]);
    expect(seen[0]!.input_ids!.dtype).toBe('int32');
    expect([...seen[0]!.position_ids!.data]).toEqual([0n, 1n, 2n, 0n, 1n, 2n]);

    const bare = dualEncoder(two, files, fakeEngine([port('input_ids', 'int64')], text));
    expect([...(await bare.embedTexts(['a b c', 'b', 'c c c'])).data]).toEqual([6, 3, 2, 1, 9, 3]);
  });

  it('reports the length of texts, and the limit', async () => {
    const { textLength } = dualEncoder(record, files, fakeEngine(combined, both));
    expect(await textLength?.(['a', 'a b c a b c a b', 'a b c a b c a b c'])).toEqual({
      tokens: [1, 8, 9],
      read: 8,
      foreign: [false, false, false],
    });
  });

  it('supports half precision, and runs quantised models one picture at a time', async () => {
    const seen: Record<string, Tensor>[] = [];
    const quantized = { ...record, precision: 'quantized', textModel: 'text_model.onnx' } as const;
    const engine = fakeEngine([port('pixel_values', 'float16', 4)], [port('image_embeds', 'float16')], seen);
    const images = await dualEncoder(quantized, files, engine).embedImages([pixel(3, 4), pixel(5, 6)]);
    expect([...images.data]).toEqual([3, 4, 5, 6]);
    expect(seen.map(({ pixel_values }) => pixel_values!.shape[0])).toEqual([1, 1]);
  });

  it('names the outputs that a model lacks, and towers that do not fit', async () => {
    const two = { ...record, imageModel: 'vision_model.onnx' };
    const headless = [port('last_hidden_state', 'float32', 3)];
    await expect(
      dualEncoder(two, files, fakeEngine([port('pixel_values')], headless)).embedImages([pixel(1, 1)]),
    ).rejects.toMatchObject({ code: 'encoder/outputs', hint: expect.stringContaining('last_hidden_state') });
    const wide = dualEncoder(
      { ...two, dimension: 512 },
      files,
      fakeEngine([port('input_ids', 'int64')], [port('text_embeds')]),
    );
    await expect(wide.embedTexts(['a'])).rejects.toMatchObject({ code: 'encoder/dimension' });
  });
});
