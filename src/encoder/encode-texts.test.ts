import { describe, expect, it } from 'vitest';
import { fromRows } from '../math/matrix.ts';
import type { CacheEntry } from '../store/feature-cache.ts';
import { encodeTexts } from './encode-texts.ts';
import type { ReadingEncoder } from './types.ts';

const asked: string[][] = [];
function encoder(fingerprint: string, embedsTextsAlone?: true): ReadingEncoder {
  return {
    fingerprint,
    dimension: 2,
    embedsTextsAlone,
    embedTexts: async (texts: string[]) => {
      asked.push(texts);
      return fromRows(texts.map((text) => [text.length, fingerprint.length]));
    },
  } as unknown as ReadingEncoder;
}

function memoryCache() {
  const kept = new Map<string, Float32Array>();
  return {
    kept,
    getMany: (keys: readonly string[]) => keys.map((key) => kept.get(key)),
    putMany: async (entries: readonly CacheEntry[]) => {
      for (const { key, value } of entries) kept.set(key, value);
    },
  };
}

describe('texts', () => {
  it('are embedded once where each is embedded alone, and the rows are in the order of the texts', async () => {
    const cache = memoryCache();
    const own = encoder('f', true);
    const first = await encodeTexts(own, ['cat', 'mouse'], { cache });
    const both = await encodeTexts(own, ['horse!', 'mouse', 'cat'], { cache });
    expect([...first.data]).toEqual([3, 1, 5, 1]);
    expect([...both.data]).toEqual([6, 1, 5, 1, 3, 1]);
    expect((await encodeTexts(own, ['cat', 'cat'], { cache })).rows).toBe(2);
    expect(asked.splice(0)).toEqual([['cat', 'mouse'], ['horse!']]);
    // Another encoder, and a row that is damaged.
    await encodeTexts(encoder('other', true), ['cat'], { cache });
    for (const key of cache.kept.keys()) cache.kept.set(key, new Float32Array(1));
    expect([...(await encodeTexts(own, ['cat'], { cache })).data]).toEqual([3, 1]);
    expect(asked.splice(0)).toEqual([['cat'], ['cat']]);
  });

  it('are never kept where they are embedded together, because the last bits depend on the batch', async () => {
    const cache = memoryCache();
    for (let i = 0; i < 2; i++) await encodeTexts(encoder('f'), ['cat'], { cache });
    expect(asked.splice(0)).toHaveLength(2);
    expect(cache.kept.size).toBe(0);
  });
});
