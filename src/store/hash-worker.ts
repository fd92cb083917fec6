import { createHash } from 'node:crypto';
import { readSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { fromBfloat16, fromHalf } from '../math/half.ts';
import { bytesPerNumber, firstNotFinite, type StoredTensor } from '../math/tensor.ts';
import { CHUNK, type FilePart, type HashWork, type PartHash } from './hash-thread.ts';

/** The thread of `hashParts`. The piece that is read, checked and hashed stays in the processor's cache. */
const { file, parts } = workerData as HashWork;
const buffer = new Uint8Array(CHUNK);
parentPort!.postMessage(parts.map(hashOf));

/** Undefined if the file ends before the part. */
function hashOf({ offset, length, dtype }: FilePart): PartHash | undefined {
  const hash = createHash('sha256');
  for (let done = 0; done < length; ) {
    const filled = fill(offset + done, Math.min(CHUNK, length - done));
    if (filled === 0) return undefined;
    const bytes = buffer.subarray(0, filled);
    if (dtype === undefined) hash.update(bytes);
    else {
      const size = bytesPerNumber({ dtype });
      const values = singleOf(dtype, filled / size);
      const at = firstNotFinite(values);
      if (at >= 0) return { sha256: hash.digest('hex'), bad: { at: done / size + at, value: values[at]! } };
      hash.update(values);
    }
    done += filled;
  }
  return { sha256: hash.digest('hex') };
}

/** The first `count` numbers in the buffer. */
function singleOf(dtype: StoredTensor['dtype'], count: number): Float32Array {
  if (dtype === 'float32') return new Float32Array(buffer.buffer, 0, count);
  const halves = new Uint16Array(buffer.buffer, 0, count);
  return dtype === 'float16' ? fromHalf(halves) : fromBfloat16(halves);
}

/** Reads `length` bytes, and returns 0 if the file has fewer. */
function fill(position: number, length: number): number {
  for (let done = 0; done < length; ) {
    const read = readSync(file, buffer, done, length - done, position + done);
    if (read === 0) return 0;
    done += read;
  }
  return length;
}
