import { sizeOf } from '../math/tensor.ts';
import { HASH, hexOf, sha256 } from '../sha256.ts';
import type { SafetensorsEntry } from './safetensors.ts';
import { TYPES } from './safetensors-header.ts';

/** Number of bytes in a page, at most. With its products with 64 queries, a page of keys stays in a core's second-level cache. */
const PAGE = 1 << 19;

/** Number of rows in a page: as many as fit into 512 KiB, at least one. */
export function rowsPerPage(bytesPerRow: number): number {
  return Math.max(1, Math.floor(PAGE / bytesPerRow));
}

/** The pages of a tensor, which are whole rows (along its first axis): the number of bytes in each but the last, and how many there are. */
export function pagesOf({ dtype, shape }: SafetensorsEntry): { bytes: number; count: number } {
  const total = sizeOf(shape) * TYPES[dtype].array.BYTES_PER_ELEMENT;
  if (total === 0) return { bytes: PAGE, count: 0 };
  const bytesPerRow = total / (shape[0] ?? 1);
  const bytes = bytesPerRow * rowsPerPage(bytesPerRow);
  return { bytes, count: Math.ceil(total / bytes) };
}

/** Whether the bytes of a page have the hash that is page `i` of `hashes` [pages, 32]. */
export function isIntact(page: Uint8Array, hashes: Uint8Array, i: number): boolean {
  return sha256(page) === hexOf(hashes.subarray(HASH * i, HASH * (i + 1)));
}
