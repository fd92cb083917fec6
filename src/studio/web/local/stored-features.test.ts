import { expect, it } from 'vitest';
import { MemoryStorage } from './memory-folder.fixture.ts';
import { storedFeatures } from './stored-features.ts';

it.each([
  ['as they are', [0.3, -0.4], [0.3, -0.4]],
  ['with unit length, if half precision cannot hold them', [3e-9, -4e-9], [0.6, -0.8]],
])('features are stored %s', async (_, given, wanted) => {
  const features = storedFeatures(new MemoryStorage().root, 2);
  await features.put('a', Float32Array.from(given));
  const found = await features.get('a');
  wanted.forEach((x, i) => {
    expect(found![i]).toBeCloseTo(x, 3);
  });
});
