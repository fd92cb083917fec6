import { beforeAll, describe, expect, it } from 'vitest';
import { loadEncoder } from '../encoder/load.ts';
import { writeSmallEncoder } from '../encoder/small-encoder.fixture.ts';
import { UsageError } from '../errors.ts';
import { createImageLoader } from '../image/loader.ts';
import { matrix } from '../math/matrix.ts';
import type { PredictionStream } from './adapted.ts';
import { type Classifier, load } from './classifier.ts';
import { fakeEncoder, picture, workspace, writePictures } from './fake-encoder.fixture.ts';
import { fit } from './fit.ts';

const at = workspace();
let classifier: Classifier;
let stream: PredictionStream;
let cat: Buffer;
let data: string;

beforeAll(async () => {
  data = await writePictures(at('photos'), { cat: 3, dog: 3 });
  cat = await picture('cat', 9);
  classifier = await fit(data, { encoder: fakeEncoder(), method: 'tip-adapter', tune: 'fixed' });
  await classifier.save(at('pets.safetensors'));
  await classifier.predict([cat]);
  stream = classifier.stream();
  await classifier.close();
});

const calls: Record<string, () => Promise<unknown>> = {
  scores: () => classifier.scores(matrix(1, 16)),
  probabilities: () => classifier.probabilities(matrix(1, 16)),
  predict: () => classifier.predict([cat]),
  'predict nothing': () => classifier.predict([]),
  predictEach: () => classifier.predictEach([cat]).next(),
  'predictEach nothing': () => classifier.predictEach([]).next(),
  predictTogether: () => classifier.predictTogether([cat, cat]),
  stream: async () => classifier.stream(),
  'a stream from before': () => stream.predict(cat),
  explain: () => classifier.explain(cat),
  encodeTestSet: () => classifier.encodeTestSet(data),
  evaluate: () => classifier.evaluate(data),
  refit: () => classifier.refit({ method: 'prototype', tune: 'fixed' } as never),
  thumbnail: () => classifier.thumbnail(cat),
  add: () => classifier.add([{ image: cat, label: 'cat' }]),
  remove: () => classifier.remove({ classes: ['cat'] }),
};

describe('a closed classifier', () => {
  it.each(Object.keys(calls))('refuses %s by name', async (name) => {
    const error = await calls[name]!().catch((error) => error);
    expect(error).toBeInstanceOf(UsageError);
    expect(error).toMatchObject({ code: 'classifier/closed', exitCode: 2 });
  });

  it('still has its data, and can be closed again', async () => {
    await classifier.close();
    await classifier.withReject(0.5).save(at('again.safetensors'));
    const again = await load(at('again.safetensors'), { encoder: fakeEncoder() });
    expect(again.data.reject).toBe(0.5);
    await again.close();
    // A classifier that was never used has nothing to free.
    await expect(again.predict([cat])).rejects.toMatchObject({ code: 'classifier/closed' });
  });

  it('also closes classifiers that were made from it', async () => {
    const first = await load(at('pets.safetensors'), { encoder: fakeEncoder() });
    const second = await first.add([{ image: cat, label: 'cat' }]);
    await first.close();
    await expect(second.predict([cat])).rejects.toMatchObject({ code: 'classifier/closed' });
  });
});

it('a closed encoder refuses every call by name', async () => {
  const encoder = await loadEncoder(await writeSmallEncoder(at('encoder')));
  const blank = { width: 32, height: 32, data: new Uint8Array(3 * 32 * 32) };
  await encoder.embedImages([blank]);
  await encoder.close();
  await encoder.close();
  for (const call of [
    async () => encoder.prepare?.(),
    () => encoder.embedImages([blank]),
    () => encoder.embedImages([]),
    () => encoder.embedTexts!(['red']),
  ])
    await expect(call()).rejects.toMatchObject({ code: 'encoder/closed', exitCode: 2 });
});

it('a closed loader refuses every call by name', async () => {
  const loader = createImageLoader();
  await loader.close();
  await loader.close();
  const { preprocessing: spec } = fakeEncoder();
  for (const call of [() => loader.load(cat, { spec, views: [0], seed: 1 }), () => loader.thumbnail(cat, 8)])
    await expect(call()).rejects.toMatchObject({ code: 'image-loader/closed', exitCode: 2 });
});
