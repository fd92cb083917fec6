import type { FileHandle } from 'node:fs/promises';
import { DataError } from '../errors.ts';
import { type DType, sizeOf, type Tensor } from '../math/tensor.ts';
import { count, number } from '../words.ts';
import { typed } from './safetensors.ts';

/** NumPy's names of the supported little-endian types. */
const TYPES: Record<string, { dtype: DType; bytes: number }> = {
  '<f2': { dtype: 'float16', bytes: 2 },
  '<f4': { dtype: 'float32', bytes: 4 },
  '<f8': { dtype: 'float64', bytes: 8 },
  '<i4': { dtype: 'int32', bytes: 4 },
  '<i8': { dtype: 'int64', bytes: 8 },
  '|u1': { dtype: 'uint8', bytes: 1 },
  '|i1': { dtype: 'int8', bytes: 1 },
  '|b1': { dtype: 'bool', bytes: 1 },
};

/** The header of a `.npy` file: type and shape of its array, and the position of its first number in bytes. */
export interface NpyHeader extends Pick<Tensor, 'dtype' | 'shape'> {
  readonly start: number;
}

/** Longest header of format 1 with its first fields. Longer ones are of formats 2 and 3, which describe records. */
const LONGEST_HEADER = 2 ** 16 + 10;

/**
 * The header of a NumPy `.npy` file (format 1 to 3, little-endian, C order) of `size` bytes, from its first bytes. Throws `DataError`
 * `npy/…` with `origin` for anything else.
 */
function parseNpyHeader(bytes: Uint8Array, size: number, origin = 'The file'): NpyHeader {
  const refuse = (code: string, what: string): never => {
    throw new DataError(`${origin} is not a usable .npy file: ${what}`, {
      code: `npy/${code}`,
      hint: 'Save it again with numpy.save, as float16, float32, float64, int32 or int64.',
      details: { origin },
    });
  };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(6, bytes.length)).toString('latin1');
  if (bytes.length < 12 || magic !== '\x93NUMPY')
    return refuse('magic', 'it does not begin with the magic bytes of the format');
  const version = view.getUint8(6);
  if (version < 1 || version > 3)
    return refuse('version', `its format version is ${version}, but only 1 to 3 are supported`);
  const long = version >= 2;
  const start = (long ? 12 : 10) + (long ? view.getUint32(8, true) : view.getUint16(8, true));
  if (start > bytes.length) return refuse('truncated', 'its header is truncated');
  const header = Buffer.from(bytes.buffer, bytes.byteOffset, start).toString('latin1', long ? 12 : 10);
  const [, descr] = /'descr':\s*'([^']*)'/.exec(header) ?? [];
  const [, order] = /'fortran_order':\s*(True|False)/.exec(header) ?? [];
  const [, dims] = /'shape':\s*\(((?:\s*\d+\s*,)*\s*(?:\d+\s*)?)\)/.exec(header) ?? [];
  if (descr === undefined || order === undefined || dims === undefined)
    return refuse('header', 'its header is damaged');
  if (!Object.hasOwn(TYPES, descr)) return refuse('type', `its type ${descr} is not supported`);
  const type = TYPES[descr]!;
  if (order === 'True') return refuse('order', 'its array is in Fortran order, which is not supported');
  const shape = dims
    .split(',')
    .filter((dim) => dim.trim() !== '')
    .map(Number);
  const length = sizeOf(shape) * type.bytes;
  if (start + length !== size) {
    return refuse(
      'length',
      `it has ${count(size - start, 'byte')} of data, but its shape [${shape}] needs ${number(length)}`,
    );
  }
  return { dtype: type.dtype, shape, start };
}

/** The array in the bytes of a `.npy` file, as a tensor of the same shape. Throws as `parseNpyHeader`. */
export function parseNpy(bytes: Uint8Array, origin?: string): Tensor {
  const { dtype, shape, start } = parseNpyHeader(bytes, bytes.length, origin);
  return { dtype, shape, data: typed(dtype, bytes.subarray(start)) };
}

/** Reads the header of an open `.npy` file. Throws as `parseNpyHeader`. */
export async function readNpyHeader(file: FileHandle, size: number, path: string): Promise<NpyHeader> {
  const bytes = new Uint8Array(Math.min(size, LONGEST_HEADER));
  const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
  return parseNpyHeader(bytes.subarray(0, bytesRead), size, path);
}

/** The header of a `.npy` file (format 1.0) whose array has this type and shape. The numbers follow, little-endian and row by row. */
export function npyHeader(dtype: 'float32' | 'float16' | 'int32', shape: readonly number[]): Uint8Array {
  const descr = { float32: '<f4', float16: '<f2', int32: '<i4' }[dtype];
  const dims = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${dims}), }`;
  // The numbers begin at a multiple of 64 bytes, and the header ends with a line feed.
  const padded = `${text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11)}\n`;
  const bytes = Buffer.alloc(10 + padded.length);
  bytes.write('\x93NUMPY\x01\x00', 'latin1');
  bytes.writeUInt16LE(padded.length, 8);
  bytes.write(padded, 10, 'latin1');
  return bytes;
}
