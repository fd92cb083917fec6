import { norm } from '../math/matrix.ts';
import type { CacheEntry, FeatureCache } from '../store/feature-cache.ts';
import { isFeature } from './checked.ts';
import type { Encoder } from './types.ts';

/** The part of a cache that `encodeImages` uses. */
type Kept = Pick<FeatureCache, 'getMany' | 'putMany'>;

/** Added to the fingerprint in the keys of features that were brought to unit length. */
const UNIT = ':unit';

/**
 * The cache of an encoder's features. Those of a joined encoder are kept for each part, so that other weights, other joins and, if all its
 * parts were used alone before, also the first join encode nothing again.
 */
export function cacheOf({ joined, fingerprint }: Encoder, cache: Kept | undefined): Kept | undefined {
  if (!cache || !joined) return cache;
  const { parts, weights } = joined;
  const dimension = parts.reduce((sum, part) => sum + part.dimension, 0);
  const partKey = (key: string, print: string) => key.replace(fingerprint, print);

  function joinedRow(rows: readonly (Float32Array | undefined)[]): Float32Array | undefined {
    const out = new Float32Array(dimension);
    let at = 0;
    for (const [p, part] of parts.entries()) {
      const own = rows[p];
      if (!isFeature(own, part.dimension)) return undefined;
      const by = Math.sqrt(weights[p]!) / (norm(own) || 1);
      own.forEach((x, j) => {
        out[at + j] = x * by;
      });
      at += part.dimension;
    }
    return out;
  }

  return {
    getMany: (keys) => {
      const wanted = keys.flatMap((key) =>
        parts.flatMap((part) => [partKey(key, `${part.fingerprint}${UNIT}`), partKey(key, part.fingerprint)]),
      );
      const found = cache.getMany(wanted);
      const width = 2 * parts.length;
      return keys.map((_, i) =>
        joinedRow(parts.map((__, p) => found[i * width + 2 * p] ?? found[i * width + 2 * p + 1])),
      );
    },
    putMany: (entries) =>
      cache.putMany(
        entries.flatMap(({ key, value }) => {
          let at = 0;
          return parts.map((part, p): CacheEntry => {
            const own = value.subarray(at, at + part.dimension);
            at += part.dimension;
            const root = Math.sqrt(weights[p]!);
            return { key: partKey(key, `${part.fingerprint}${UNIT}`), value: own.map((x) => x / root) };
          });
        }),
      ),
  };
}
