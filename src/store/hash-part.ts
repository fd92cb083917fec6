import { createHash } from 'node:crypto';
import { readSync } from 'node:fs';
import { fromBfloat16, fromHalf } from '../math/half.ts';
import { bytesPerNumber, firstNotFinite, type StoredTensor } from '../math/tensor.ts';

/** Number of bytes that are read at once. The piece that is read, checked and hashed stays in the processor's cache. */
export const CHUNK = 2 ** 19;

/** A part of a file, in bytes. With a type, its numbers are hashed in single precision. */
export interface FilePart {
  readonly offset: number;
  readonly length: number;
  readonly dtype?: 'float32' | 'float16' | 'bfloat16';
}

/** The sha256 (hex) of a part. */
export interface PartHash {
  readonly sha256: string;
  /** The first number that is not finite. The sha256 is then of the numbers in front of its piece. */
  readonly bad?: { readonly at: number; readonly value: number };
}

/** The hash of a part of an open file, given by its descriptor. Undefined if the file ends before the part. Throws system errors. */
export function hashPart(file: number, { offset, length, dtype }: FilePart): PartHash | undefined {
  const hash = createHash('sha256');
  const buffer = new Uint8Array(Math.min(CHUNK, length));
  for (let done = 0; done < length; ) {
    const bytes = buffer.subarray(0, Math.min(CHUNK, length - done));
    if (!fill(file, bytes, offset + done)) return undefined;
    if (dtype === undefined) hash.update(bytes);
    else {
      const values = singleOf(dtype, bytes);
      const at = firstNotFinite(values);
      if (at >= 0) {
        const before = done / bytesPerNumber({ dtype });
        return { sha256: hash.digest('hex'), bad: { at: before + at, value: values[at]! } };
      }
      hash.update(values);
    }
    done += bytes.length;
  }
  return { sha256: hash.digest('hex') };
}

/** The numbers in bytes, in single precision. */
function singleOf(dtype: StoredTensor['dtype'], { buffer, length }: Uint8Array): Float32Array {
  const count = length / bytesPerNumber({ dtype });
  if (dtype === 'float32') return new Float32Array(buffer, 0, count);
  const halves = new Uint16Array(buffer, 0, count);
  return dtype === 'float16' ? fromHalf(halves) : fromBfloat16(halves);
}

/** Reads bytes from a position on. Returns whether the file has them all. */
function fill(file: number, bytes: Uint8Array, position: number): boolean {
  for (let done = 0; done < bytes.length; ) {
    const read = readSync(file, bytes, done, bytes.length - done, position + done);
    if (read === 0) return false;
    done += read;
  }
  return true;
}
