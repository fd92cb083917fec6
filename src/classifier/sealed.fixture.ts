import { atOnce } from '../abort.ts';
import type { Tensor } from '../math/tensor.ts';
import { contentHash, PAGES, withPages } from '../store/content-hash.ts';
import { encodeSafetensors, parseSafetensors } from '../store/safetensors.ts';
import { FORMAT } from './file-parts.ts';

export type Json = Record<string, unknown>;

/** A classifier's file with changed contents and a matching checksum, as another program would write it. */
export function sealed(
  bytes: Uint8Array,
  change: (about: Json, tensors: Record<string, Tensor>) => void,
): Uint8Array {
  const { tensors, metadata } = parseSafetensors(bytes.slice());
  const about = JSON.parse(metadata.classifier!) as Json;
  const named = Object.fromEntries(tensors);
  change(about, named);
  const classifier = JSON.stringify(about);
  delete named[PAGES];
  const sealed =
    metadata.format === FORMAT
      ? atOnce(withPages(named, classifier))
      : { tensors: named, sha256: contentHash(named, classifier) };
  return encodeSafetensors(sealed.tensors, { ...metadata, classifier, sha256: sealed.sha256 });
}
