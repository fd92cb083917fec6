import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Classifier } from './classifier.ts';
import { fakeEncoder, writePictures } from './fake-encoder.fixture.ts';
import { fit } from './fit.ts';
import type { ImageSource } from './types.ts';

const folder = mkdtempSync(join(tmpdir(), 'source-'));
const path = join(folder, 'one.png');
let classifier: Classifier;
let raw: { width: number; height: number; data: Buffer };

beforeAll(async () => {
  const photos = await writePictures(join(folder, 'photos'), { cat: 3, dog: 3 });
  classifier = await fit(photos, { encoder: fakeEncoder(), method: 'prototype', thumbnails: false });
  const { data, info } = await sharp(join(photos, 'cat', '0.png'))
    .raw()
    .toBuffer({ resolveWithObject: true });
  raw = { width: info.width, height: info.height, data };
  writeFileSync(path, await sharp(data, { raw: info }).png().toBuffer());
});
afterAll(async () => {
  await classifier.close();
  rmSync(folder, { recursive: true });
});

it('a picture has the same answer in every form', async () => {
  const bytes = await sharp(path).png().toBuffer();
  const rgba = await sharp(path).ensureAlpha().raw().toBuffer();
  const sources: ImageSource[] = [
    path,
    pathToFileURL(path),
    new Uint8Array(bytes),
    new Uint8Array(bytes).buffer,
    new Blob([new Uint8Array(bytes)]),
    new File([new Uint8Array(bytes)], 'one.png'),
    raw,
    { ...raw, data: new Uint8ClampedArray(rgba) },
    { id: 'one', read: async () => bytes },
  ];
  const { predictions, failures } = await classifier.predict(sources);
  expect(failures).toEqual([]);
  for (const { name, probability } of predictions)
    expect({ name, probability }).toEqual({ name: 'cat', probability: predictions[0]!.probability });
});

it('one picture has one answer, and throws if it cannot be read', async () => {
  expect(await classifier.predict(path)).toMatchObject({ name: 'cat', image: path });
  await expect(classifier.predict(join(folder, 'none.png'))).rejects.toMatchObject({ code: 'image/missing' });
});

it.each([
  [undefined, 'A picture cannot be undefined'],
  [42, 'A picture cannot be a number'],
  [{}, 'A picture cannot be an object of type Object'],
  [[['a.png']], 'A picture cannot be a list'],
  [new URL('https://example.org/cat.jpg'), 'https://example.org/cat.jpg is not on this machine'],
  [
    { width: 2, height: 2, data: new Uint8Array(5) },
    'Pixels of 2 x 2 need 3 or 4 bytes each; there are 5 bytes',
  ],
])('refuses a value that is not a picture: %j', async (source, message) => {
  await expect(classifier.predict(source as unknown as ImageSource)).rejects.toMatchObject({ message });
});

it('is closed by `await using`', async () => {
  const own = await fit(join(folder, 'photos'), {
    encoder: fakeEncoder(),
    method: 'prototype',
    thumbnails: false,
  });
  await own[Symbol.asyncDispose]();
  await expect(own.predict(path)).rejects.toMatchObject({ code: 'classifier/closed' });
});
