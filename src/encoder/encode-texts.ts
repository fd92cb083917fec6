import type { Abortable } from '../abort.ts';
import { type Matrix, matrix, row } from '../math/matrix.ts';
import { sha256 } from '../sha256.ts';
import type { FeatureCache } from '../store/feature-cache.ts';
import { isFeature } from './checked.ts';
import type { ReadingEncoder } from './types.ts';

/** Options of `encodeTexts`. */
export interface EncodeTextsOptions extends Abortable {
  /** Cache that known embeddings are read from and new ones are written to. */
  readonly cache?: Pick<FeatureCache, 'getMany' | 'putMany'>;
}

/**
 * The embeddings [n, d] of n texts. The cache is used only if the encoder `embedsTextsAlone`. Otherwise the last bits of an embedding depend on
 * the texts beside it, and results would depend on what was encoded before.
 */
export async function encodeTexts(
  encoder: ReadingEncoder,
  texts: readonly string[],
  { cache, signal }: EncodeTextsOptions = {},
): Promise<Matrix> {
  if (!cache || !encoder.embedsTextsAlone) return encoder.embedTexts([...texts], { signal });
  const { dimension, fingerprint } = encoder;
  const keys = texts.map((text) => `text:${sha256(text)}:${fingerprint}`);
  const known = cache.getMany(keys);
  const missing = [...texts.keys()].filter((i) => !isFeature(known[i], dimension));
  const out = matrix(texts.length, dimension);
  known.forEach((values, i) => {
    if (isFeature(values, dimension)) row(out, i).set(values);
  });
  if (missing.length === 0) return out;
  const encoded = await encoder.embedTexts(
    missing.map((i) => texts[i]!),
    { signal },
  );
  missing.forEach((i, at) => {
    row(out, i).set(row(encoded, at));
  });
  await cache.putMany(missing.map((i) => ({ key: keys[i]!, value: row(out, i).slice() })));
  return out;
}
