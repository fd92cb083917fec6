import type { FeatureCache } from '../store/feature-cache.ts';

/** Number of pictures whose features stay in memory: those on the page, which are tried again after every change. */
const REMEMBERED = 32;

/** A small feature cache in memory, for camera frames and tried pictures, which need not be kept on the disk. */
export function recentFeatures(): FeatureCache {
  const kept = new Map<string, Float32Array>();
  return {
    getMany: (keys) => keys.map((key) => kept.get(key)),
    putMany: async (entries) => {
      for (const { key, value } of entries) {
        kept.delete(key);
        kept.set(key, value);
      }
      for (const key of kept.keys()) {
        if (kept.size <= REMEMBERED) break;
        kept.delete(key);
      }
    },
    stats: () => ({
      entries: kept.size,
      bytes: [...kept.values()].reduce((sum, { byteLength }) => sum + byteLength, 0),
    }),
    clear: async () => kept.clear(),
    close: async () => {},
  };
}
