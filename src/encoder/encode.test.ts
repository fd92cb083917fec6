import { describe, expect, it } from 'vitest';
import { DataError, InterruptedError } from '../errors.ts';
import type { ImageLoader } from '../image/loader.ts';
import { fromRows, row } from '../math/matrix.ts';
import type { CacheEntry, FeatureCache } from '../store/feature-cache.ts';
import { type EncodableImage, encodeImages } from './encode.ts';
import type { Encoder } from './types.ts';

/** Pictures of one byte: the loader gives one pixel (byte, view, seed or 255 for unturned), the encoder its numbers. */
const loader = {
  load: async (
    bytes: Uint8Array,
    { views, seed, exif }: { views: number[]; seed: number; exif: boolean },
  ) => {
    if (bytes[0] === 99) throw new DataError('It is cut', { code: 'image/truncated' });
    return views.map((view) => ({
      width: 1,
      height: 1,
      data: Uint8Array.of(bytes[0]!, view, exif ? seed : 255),
    }));
  },
  close: async () => {},
} as unknown as ImageLoader;

function encoder(calls: number[] = []): Encoder {
  return {
    fingerprint: 'f',
    dimension: 3,
    preprocessing: {},
    embedImages: async (pixels: { data: Uint8Array }[]) => {
      calls.push(pixels.length);
      return fromRows(pixels.map(({ data }) => [...data]));
    },
  } as unknown as Encoder;
}

function memory(): FeatureCache & { kept: Map<string, Float32Array> } {
  const kept = new Map<string, Float32Array>();
  return {
    kept,
    getMany: (keys: string[]) => keys.map((key) => kept.get(key)),
    putMany: async (entries: CacheEntry[]) => {
      for (const { key, value } of entries) kept.set(key, value);
    },
  } as unknown as FeatureCache & { kept: Map<string, Float32Array> };
}

const picture = (byte: number): EncodableImage => ({
  id: `${byte}.jpg`,
  read: async () => Uint8Array.of(byte),
});

describe('encoding pictures', () => {
  it('gives a row for each view of each readable picture, in order', async () => {
    const images = [
      picture(1),
      picture(99),
      { id: 'gone', read: async () => Promise.reject(new Error('ENOENT')) },
      picture(4),
    ];
    const { features, rows, failures, failed, hashes } = await encodeImages(encoder(), images, {
      views: [0, 2],
      seed: 7,
      loader,
      batch: 2,
    });
    expect(Array.from({ length: features.rows }, (_, i) => [...row(features, i)])).toEqual([
      [1, 0, 7],
      [1, 2, 7],
      [4, 0, 7],
      [4, 2, 7],
    ]);
    expect(rows.map(({ item, view }) => [item, view])).toEqual([
      [0, 0],
      [0, 2],
      [3, 0],
      [3, 2],
    ]);
    expect(failures.map(({ id, error }) => [id, error.code])).toEqual([
      ['99.jpg', 'image/truncated'],
      ['gone', 'image/unreadable'],
    ]);
    expect([...failed]).toEqual([1, 2]);
    expect(hashes).toHaveLength(2);
    expect(hashes[0]).toMatch(/^[0-9a-f]{64}$/);
  });

  it('reads known features from the cache and encodes only new pictures', async () => {
    const cache = memory();
    const calls: number[] = [];
    const first = await encodeImages(encoder(calls), [picture(1), picture(2)], { loader, cache });
    const again = await encodeImages(encoder(calls), [picture(1), picture(3), picture(2)], { loader, cache });
    expect(calls).toEqual([2, 1]);
    expect([first.hits, again.hits]).toEqual([0, 2]);
    expect([...row(again.features, 2)]).toEqual([...row(first.features, 1)]);
  });

  it('distinguishes everything that changes pixels: view, orientation, and the seed (of random views only)', async () => {
    const cache = memory();
    const kept = async (options: object) => {
      await encodeImages(encoder(), [picture(1)], { loader, cache, ...options });
      return cache.kept.size;
    };
    expect(await kept({})).toBe(1);
    expect(await kept({ seed: 5 })).toBe(1);
    expect(await kept({ exif: false })).toBe(2);
    expect(await kept({ views: [1], seed: 5 })).toBe(3);
    expect(await kept({ views: [1], seed: 6 })).toBe(4);
    expect([...cache.kept.keys()][0]).toMatch(/^[0-9a-f]{64}:\d+:f:0$/);
  });

  it('keeps finished features when it is interrupted', async () => {
    const cache = memory();
    const stop = new AbortController();
    const images = Array.from({ length: 40 }, (_, i) => picture(i));
    const run = encodeImages(encoder(), images, {
      loader,
      cache,
      batch: 4,
      signal: stop.signal,
      onProgress: ({ done }) => done >= 8 && stop.abort(),
    });
    await expect(run).rejects.toBeInstanceOf(InterruptedError);
    expect(cache.kept.size).toBeGreaterThanOrEqual(8);
    expect(cache.kept.size).toBeLessThan(40);
  });

  it('reads a stream of pictures only a little ahead of the encoder', async () => {
    let read = 0;
    let encoded = 0;
    let furthest = 0;
    async function* many(): AsyncGenerator<EncodableImage> {
      for (let i = 0; i < 200; i++) {
        read++;
        furthest = Math.max(furthest, read - encoded);
        yield picture(i % 90);
      }
    }
    const slow: Encoder = {
      ...encoder(),
      embedImages: async (pixels) => {
        await new Promise((resolve) => setTimeout(resolve, 1));
        encoded += pixels.length;
        return encoder().embedImages(pixels);
      },
    };
    const totals = new Set<number | undefined>();
    const { features } = await encodeImages(slow, many(), {
      loader,
      batch: 8,
      onProgress: ({ total }) => totals.add(total),
    });
    expect(features.rows).toBe(200);
    expect(furthest).toBeLessThanOrEqual(8 * 6);
    expect([...totals]).toEqual([undefined]);
  });

  it("throws the encoder's error", async () => {
    const broken: Encoder = { ...encoder(), embedImages: async () => Promise.reject(new Error('no memory')) };
    await expect(encodeImages(broken, [picture(1)], { loader })).rejects.toThrowError('no memory');
  });
});
