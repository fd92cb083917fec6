import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { openCheckpoint } from '../encoder/clip/checkpoint.ts';
import { clipFacts } from '../encoder/clip/facts.ts';
import type { Encoder } from '../encoder/types.ts';
import { fromRows, type Matrix, matrix } from '../math/matrix.ts';
import { parseSafetensors } from '../store/safetensors.ts';
import { type Classifier, load } from './classifier.ts';
import { fakeEncoder, workspace, writePictures } from './fake-encoder.fixture.ts';
import { fit } from './fit.ts';

const at = workspace();
const open: Classifier[] = [];
afterEach(() => Promise.all(open.splice(0).map((classifier) => classifier.close())));

async function zeroShotOf(encoder: Encoder, method = 'zero-shot'): Promise<Classifier> {
  const photos = await writePictures(at('photos'), { cat: 1, dog: 1, owl: 1 });
  const classifier = await fit(photos, { encoder, method, thumbnails: false });
  open.push(classifier);
  return classifier;
}

const siglip = (): Encoder => ({ ...fakeEncoder(), logitBias: -2 });

it('each class has its own probability, which other classes and the temperature do not change', async () => {
  const classifier = await zeroShotOf(siglip());
  const path = at('sigmoid.safetensors');
  await classifier.save(path);
  const loaded = await load(path, { encoder: siglip() });
  open.push(loaded);
  const few = await loaded.remove({ classes: ['owl'] });
  const image = at('photos/cat/0.png');
  const plain = await loaded.predict(image);
  const own = await loaded.predict(image, { sigmoid: true });
  expect(plain.sigmoid).toBeUndefined();
  expect(own).toMatchObject({ sigmoid: true, calibrated: false, id: plain.id, rejected: false });
  const asked = await loaded.predict([image], { sigmoid: true, reject: 0.99 });
  expect(asked.predictions[0]).toMatchObject({ id: plain.id, rejected: true });
  const of = ({ ranking }: typeof own, id: string) => ranking.find((one) => one.id === id)!.probability;
  const fewer = await few.predict(image, { sigmoid: true });
  for (const id of ['cat', 'dog']) expect(of(fewer, id)).toBeCloseTo(of(own, id), 6);
  expect(of(await few.predict(image), 'cat')).not.toBeCloseTo(of(plain, 'cat'), 6);
});

it('is refused for an encoder without a bias, another method, and a value that is not a flag', async () => {
  const image = at('photos/cat/0.png');
  const plain = await zeroShotOf(fakeEncoder());
  const code = 'predict/sigmoid';
  await expect(plain.predict(image, { sigmoid: true })).rejects.toMatchObject({ code });
  const other = await zeroShotOf(siglip(), 'prototype');
  await expect(other.predict([image], { sigmoid: true })).rejects.toMatchObject({ code });
  await expect(other.predict(image, { sigmoid: 1 as never })).rejects.toMatchObject({ exitCode: 2 });
});

const golden = join(import.meta.dirname, '../../../shared/golden/families/hf-siglip');

it.skipIf(!existsSync(golden))('is that of PyTorch (../shared/golden/families/hf-siglip)', async () => {
  const outputs = parseSafetensors(readFileSync(join(golden, 'outputs.safetensors'))).tensors;
  const rowsOf = (name: string) => {
    const { shape, data } = outputs.get(name)!;
    return matrix(shape[0]!, shape[1]!, Float32Array.from(data as Float64Array));
  };
  const checkpoint = await openCheckpoint(join(golden, 'model.safetensors'));
  const { logitScale, logitBias } = await clipFacts(checkpoint, (path) =>
    existsSync(join(golden, path)) ? JSON.parse(readFileSync(join(golden, path), 'utf8')) : undefined,
  );
  await checkpoint.close();
  const [images, texts, logits] = ['image_embeds', 'text_embeds', 'logits_per_image'].map(rowsOf);
  const rowOf = ({ cols, data }: Matrix, i: number) => [...data.subarray(i * cols, (i + 1) * cols)];
  let current = rowOf(images!, 0);
  const names = ['cat', 'dog', 'owl'];
  const classifier = await zeroShotOf({
    ...fakeEncoder('golden', 'b', logitScale),
    logitBias,
    dimension: texts!.cols,
    embedImages: async (pixels) => fromRows(pixels.map(() => current)),
    embedTexts: async (wanted) =>
      fromRows(
        wanted.map((text) =>
          rowOf(
            texts!,
            names.findIndex((name) => text.includes(name)),
          ),
        ),
      ),
  });
  for (const i of [0, 1]) {
    current = rowOf(images!, i);
    const photos = await writePictures(at('asked'), { any: [7 + i] });
    const { ranking } = await classifier.predict(join(photos, `any/${7 + i}.png`), { sigmoid: true });
    names.forEach((name, c) => {
      const expected = 1 / (1 + Math.exp(-logits!.data[i * 3 + c]!));
      // The classifier keeps texts in half precision.
      expect(Math.abs(ranking.find(({ id }) => id === name)!.probability - expected)).toBeLessThan(2e-3);
    });
  }
});
