import { atOnce, type Pieces } from '../abort.ts';
import type { DType, Tensor } from '../math/tensor.ts';
import { createSha256, HASH, placeHash, sha256 } from '../sha256.ts';
import { pagesOf } from './pages.ts';
import { encodeSafetensors, type Safetensors, type SafetensorsEntry } from './safetensors.ts';
import type { SafetensorsFile } from './safetensors-file.ts';
import { tensorBytes } from './safetensors-header.ts';

/**
 * Sha256 (hex) over the JSON text and, in the order of their names, each tensor's line `\n<name> <type> <sizes joined by x>\n` and bytes.
 * Without this hash, an altered number would give a wrong answer without an error.
 */
export function contentHash(tensors: Readonly<Record<string, Tensor>>, classifier: string): string {
  return atOnce(contentHashInPieces(tensors, classifier));
}

/** The bytes of a safetensors file whose metadata also holds the hash (`sha256`) of the tensors and the other metadata. */
export function encodeSealed(
  tensors: Readonly<Record<string, Tensor>>,
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  return encodeSafetensors(tensors, { ...metadata, sha256: sealOf(tensors, metadata) });
}

/** Whether a file has the hash that `encodeSealed` gives it. */
export function isSealed({ tensors, metadata }: Safetensors): boolean {
  const { sha256, ...rest } = metadata;
  return sha256 === sealOf(Object.fromEntries(tensors), rest);
}

function sealOf(
  tensors: Readonly<Record<string, Tensor>>,
  metadata: Readonly<Record<string, string>>,
): string {
  return contentHash(tensors, JSON.stringify(byName(Object.entries(metadata))));
}

/** Number of bytes that are hashed in one piece of work. */
const PIECE = 2 ** 22;

/** The same as interruptible work. */
export function* contentHashInPieces(
  tensors: Readonly<Record<string, Tensor>>,
  classifier: string,
): Pieces<string> {
  const hash = createSha256().update(classifier);
  for (const [name, tensor] of byName(Object.entries(tensors))) {
    hash.update(tensorLine(name, tensor));
    const bytes = tensorBytes(tensor);
    for (let at = 0; at < bytes.length; at += PIECE) {
      hash.update(bytes.subarray(at, at + PIECE));
      yield;
    }
  }
  return hash.digest('hex');
}

/** The tensor with the hashes of the pages of all others. */
export const PAGES = 'pages.sha256';

/**
 * Sha256 of each page of each tensor, by the names of the tensors, [pages, 32]: a tensor that is left in the file can be verified page by page
 * when it is read.
 */
function* pageHashes(tensors: Readonly<Record<string, Tensor>>): Pieces<Uint8Array> {
  const hashes = new Uint8Array(
    HASH * Object.values(tensors).reduce((count, tensor) => count + pagesOf(tensor).count, 0),
  );
  let at = 0;
  for (const [, tensor] of byName(Object.entries(tensors))) {
    const bytes = tensorBytes(tensor);
    const { bytes: page } = pagesOf(tensor);
    for (let start = 0; start < bytes.length; start += page) {
      placeHash(sha256(bytes.subarray(start, start + page)), hashes, at);
      at += HASH;
      yield;
    }
  }
  return hashes;
}

/** The part of the hashes of pages that belongs to each tensor. */
export function hashesOf(
  entries: Iterable<[string, SafetensorsEntry]>,
  hashes: Uint8Array,
): Map<string, Uint8Array> {
  let at = 0;
  return new Map(
    byName(entries).map(([name, entry]) => {
      const start = at;
      at += HASH * pagesOf(entry).count;
      return [name, hashes.subarray(start, at)];
    }),
  );
}

/** Sha256 (hex) over the JSON text, the line of each tensor, and the hashes of their pages. */
export function pagedHash(
  entries: Iterable<[string, SafetensorsEntry]>,
  classifier: string,
  hashes: Uint8Array,
): string {
  const hash = createSha256().update(classifier);
  for (const [name, entry] of byName(entries)) hash.update(tensorLine(name, entry));
  return hash.update('\n').update(hashes).digest('hex');
}

/** Adds the hashes of the tensors' pages to them, with the hash of everything. */
export function* withPages(
  tensors: Readonly<Record<string, Tensor>>,
  classifier: string,
): Pieces<{ tensors: Record<string, Tensor>; sha256: string }> {
  const data = yield* pageHashes(tensors);
  const pages: Tensor = { dtype: 'uint8', shape: [data.length / HASH, HASH], data };
  return {
    tensors: { ...tensors, [PAGES]: pages },
    sha256: pagedHash(Object.entries(tensors), classifier, data),
  };
}

function byName<T>(entries: Iterable<[string, T]>): [string, T][] {
  return [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
}

function tensorLine(name: string, { dtype, shape }: { dtype: DType; shape: readonly number[] }): string {
  return `\n${name} ${dtype} ${shape.join('x')}\n`;
}

/** The hash of a file without pages that is read in pieces. `look` gets the pieces of one tensor. */
export async function fileHash(
  file: SafetensorsFile,
  classifier: string,
  shown: string,
  look: (piece: Uint8Array) => void,
): Promise<string> {
  const hash = createSha256().update(classifier);
  for (const [name, entry] of byName(file.entries)) {
    hash.update(tensorLine(name, entry));
    for await (const chunk of file.chunks(name)) {
      hash.update(chunk);
      if (name === shown) look(chunk);
    }
  }
  return hash.digest('hex');
}
