import { describe, expect, it } from 'vitest';
import type { ImageLoader } from '../image/loader.ts';
import { type Matrix, matrix } from '../math/matrix.ts';
import type { FeatureCache } from '../store/feature-cache.ts';
import { checkedEncoder } from './checked.ts';
import { encodeImages } from './encode.ts';
import type { Encoder } from './types.ts';

const pixels = [{ width: 1, height: 1, data: new Uint8Array(3) }];

/** An encoder of dimension 2 that returns the same rows for every input. */
function giving(rows: Matrix): Encoder {
  return {
    id: 'odd',
    fingerprint: 'a'.repeat(64),
    dimension: 2,
    logitScale: 1,
    preprocessing: {} as never,
    defaults: {} as never,
    licence: 'MIT',
    source: 'test',
    embedImages: async () => rows,
    embedTexts: async () => rows,
    close: async () => {},
  };
}

const of = (...numbers: number[]) => matrix(1, 2, Float32Array.from(numbers));

describe('embeddings of a checked encoder', () => {
  it.each([
    ['no number', of(1, Number.NaN), 'NaN for'],
    ['an infinite one', of(Number.NEGATIVE_INFINITY, 0), '-Infinity for'],
    ['more than half precision holds', of(0, 65505), '65505 for'],
    ['another width', matrix(1, 3), '1 x 3 numbers instead of 1 x 2'],
    ['another count', matrix(2, 2), '2 x 2 numbers instead of 1 x 2'],
  ])('are refused by name if they hold %s', async (_, rows, what) => {
    const encoder = checkedEncoder(giving(rows));
    const refusal = expect.objectContaining({ name: 'ModelError', message: expect.stringContaining(what) });
    await expect(encoder.embedImages(pixels)).rejects.toEqual(refusal);
    await expect(encoder.embedTexts!(['a'])).rejects.toEqual(refusal);
  });

  it('are returned if they are finite, however large or small', async () => {
    const rows = of(-65504, 1e-40);
    expect(await checkedEncoder(giving(rows)).embedImages(pixels)).toBe(rows);
  });

  it('from the cache are computed again if they are not of this encoder', async () => {
    const kept = [Float32Array.of(Number.NaN, 1), Float32Array.of(1, 2, 3), Float32Array.of(5, 6)];
    const put: unknown[] = [];
    const cache = {
      getMany: (keys: readonly string[]) => keys.map(() => kept.shift()),
      putMany: async (entries: readonly unknown[]) => void put.push(...entries),
    } as unknown as FeatureCache;
    const loader = { load: async () => pixels, close: async () => {} } as unknown as ImageLoader;
    const items = [0, 1, 2].map((i) => ({ id: `${i}`, read: async () => Uint8Array.of(i) }));
    const encoder = checkedEncoder(giving(of(7, 8)));
    const { features, hits } = await encodeImages(encoder, items, { cache, loader, batch: 1 });
    expect([...features.data]).toEqual([7, 8, 7, 8, 5, 6]);
    expect(hits).toBe(1);
    expect(put).toHaveLength(2);
  });
});
