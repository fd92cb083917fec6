import { promisify } from 'node:util';
import { inflate } from 'node:zlib';
import { count } from '../words.ts';
import { damagedArray } from './raw-pictures.ts';
import type { SourceFile } from './tree.ts';

/** A numeric array of a MAT-file. Its values are by columns: the first index runs fastest. */
export interface MatArray {
  sizes: number[];
  values: ArrayLike<number>;
}

const unpack = promisify<Uint8Array, { maxOutputLength: number }, Buffer>(inflate);
const LARGEST = 2 ** 31 - 1;

const [COMPRESSED, MATRIX] = [15, 14];

/** Readers of the number types that arrays are stored in, by their numbers in the format, with the size of a number in bytes. */
const TYPES: Record<number, [size: number, read: (view: DataView, at: number) => number]> = {
  1: [1, (view, at) => view.getInt8(at)],
  2: [1, (view, at) => view.getUint8(at)],
  3: [2, (view, at) => view.getInt16(at, true)],
  4: [2, (view, at) => view.getUint16(at, true)],
  5: [4, (view, at) => view.getInt32(at, true)],
  6: [4, (view, at) => view.getUint32(at, true)],
  7: [4, (view, at) => view.getFloat32(at, true)],
  9: [8, (view, at) => view.getFloat64(at, true)],
};

/**
 * The numeric arrays of a MAT-file of version 5 (MATLAB's "MAT-File Format", level 5), by name. Other variables are left out. Throws
 * `DataError` `dataset/arrays` if it is damaged or of another version.
 */
export async function readMat(file: SourceFile): Promise<ReadonlyMap<string, MatArray>> {
  const bytes = await file.read();
  try {
    return await arraysIn(bytes);
  } catch (cause) {
    throw damagedArray(file, 'a MAT-file', (cause as Error).message, cause);
  }
}

async function arraysIn(bytes: Uint8Array): Promise<Map<string, MatArray>> {
  const head = Buffer.from(bytes.subarray(0, 128));
  if (!head.toString('latin1').startsWith('MATLAB 5.0') || head.toString('latin1', 126, 128) !== 'IM')
    throw new Error('it is not of version 5 in the byte order of PCs');
  const arrays = new Map<string, MatArray>();
  for (let at = 128; at < bytes.length; ) {
    const { type, start, end, next } = elementAt(bytes, at);
    const packed = bytes.subarray(start, end);
    const element =
      type === COMPRESSED ? await unpack(packed, { maxOutputLength: LARGEST }) : bytes.subarray(at, end);
    const named = matrixIn(element);
    if (named) arrays.set(...named);
    // A compressed element is not padded.
    at = type === COMPRESSED ? end : next;
  }
  return arrays;
}

/** A data element: its type and the place of its data. */
function elementAt(bytes: Uint8Array, at: number) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const tag = view.getUint32(at, true);
  // A small element has its size and data in the tag.
  const small = tag >>> 16;
  if (small > 0) return { type: tag & 0xffff, start: at + 4, end: at + 4 + small, next: at + 8 };
  const [start, size] = [at + 8, view.getUint32(at + 4, true)];
  if (start + size > bytes.length) throw new Error('a part of it is missing');
  return { type: tag, start, end: start + size, next: start + Math.ceil(size / 8) * 8 };
}

/** The name and the numbers of a matrix. Undefined for one of other values, such as texts and structures. */
function matrixIn(bytes: Uint8Array): [string, MatArray] | undefined {
  const matrix = elementAt(bytes, 0);
  if (matrix.type !== MATRIX || matrix.start === matrix.end) return undefined;
  const flags = elementAt(bytes, matrix.start);
  const sizes = elementAt(bytes, flags.next);
  const dimensions = numbers(bytes, sizes);
  const title = elementAt(bytes, sizes.next);
  const kind = bytes[flags.start]!;
  // Classes 6 to 15 are numeric arrays.
  if (kind < 6 || kind > 15) return undefined;
  const values = numbers(bytes, elementAt(bytes, title.next));
  const expected = Array.from(dimensions).reduce((a, b) => a * b, 1);
  if (values.length !== expected)
    throw new Error(`an array has ${count(values.length, 'value')} instead of ${expected}`);
  return [
    Buffer.from(bytes.subarray(title.start, title.end)).toString('latin1'),
    { sizes: Array.from(dimensions), values },
  ];
}

function numbers(bytes: Uint8Array, { type, start, end }: ReturnType<typeof elementAt>): ArrayLike<number> {
  // The pixels of a data set are many.
  if (type === 2) return bytes.subarray(start, end);
  const [size, read] = TYPES[type] ?? [];
  if (!size || !read) throw new Error(`an array has numbers of the unknown type ${type}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: (end - start) / size }, (_, i) => read(view, start + i * size));
}
