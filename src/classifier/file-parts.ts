import type { ClassifierData } from './types.ts';

/**
 * A classifier is one safetensors file. Tensors: `text.features` F16 [p, d] and `text.class` I32 [p]; `support.features` F16 [r, d], or
 * I8 [r, d] with `support.steps` F32 [d] and `support.scales` F32 [r]; `support.example` and `support.view` I32 [r], `support.labels`
 * and `support.groups` I32 [n]; `examples.ids` U8 with `examples.ids.offsets` I32 [n + 1], and `examples.sha256` U8 [n, 32]; `state.*`;
 * `summary.sums.*` F64 and `summary.basis.*` F32; `thumbnails` U8 with `thumbnails.offsets` I32 [n + 1]; `pages.sha256` U8 [pages, 32]. Everything else is one JSON text in
 * the metadata, with a sha256 over all of it. docs/file-format.md describes the layout for other programs.
 */
export const FORMAT = 'tip-adapter/3';
/** The second version, whose hash is over all bytes: a file can only be verified as a whole. */
export const FORMAT_2 = 'tip-adapter/2';
/** The first version, whose ids and hashes of the examples are in the JSON text. */
export const FORMAT_1 = 'tip-adapter/1';
export const FEATURES = 'support.features';

const hashes = new WeakMap<ClassifierData, string>();

/** Notes the sha256 that the file of a classifier has. */
export function noteHash(data: ClassifierData, sha256: string): void {
  hashes.set(data, sha256);
}

/** The sha256 that was noted for a classifier. */
export function notedHash(data: ClassifierData): string | undefined {
  return hashes.get(data);
}
