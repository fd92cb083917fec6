import { ModelError, UsageError } from '../errors.ts';
import { type DType, sizeOf, type Tensor, type TensorData } from '../math/tensor.ts';
import { count, number } from '../words.ts';
import { layOut, MAX_HEADER, parseHeader, TYPES, tensorBytes } from './safetensors-header.ts';

/**
 * The contents of a safetensors file. Its format is an 8-byte little-endian header length, a JSON header, then the tensors' bytes,
 * little-endian and row-major, without gaps (https://github.com/huggingface/safetensors).
 */
export interface Safetensors {
  tensors: Map<string, Tensor>;
  metadata: Record<string, string>;
}

/** Type and shape of a tensor. */
export type SafetensorsEntry = Pick<Tensor, 'dtype' | 'shape'>;

/**
 * Parses the bytes of a whole file. Tensors are views on `bytes` if their alignment allows it, else copies. Throws `ModelError`
 * `safetensors/…` with `origin` if the file is malformed.
 */
export function parseSafetensors(bytes: Uint8Array, origin = 'The file'): Safetensors {
  const length = headerLength(bytes.subarray(0, 8), bytes.length, origin);
  const start = 8 + length;
  const header = parseHeader(bytes.subarray(8, start), bytes.length - start, origin);
  const tensors = new Map<string, Tensor>();
  for (const [name, { dtype, shape, begin, end }] of header.entries) {
    tensors.set(name, { dtype, shape, data: typed(dtype, bytes.subarray(start + begin, start + end)) });
  }
  return { tensors, metadata: header.metadata };
}

/** Number of bytes in one part of a tensor that is read or written in parts. */
export const CHUNK = 1 << 24;

/** The length of the header, by the first 8 bytes of a file. Throws `ModelError` if it does not fit into the file. */
export function headerLength(prefix: Uint8Array, fileSize: number, origin: string): number {
  const fail = (code: string, what: string) => {
    throw new ModelError(`${origin} is not a safetensors file: ${what}`, {
      code: `safetensors/${code}`,
      hint: 'It may be truncated or of another format. Download it again.',
      details: { origin, fileSize },
    });
  };
  if (fileSize < 8)
    fail('truncated', `it has ${count(fileSize, 'byte')}, fewer than the 8 of a header length`);
  const length = new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true);
  if (length > MAX_HEADER) fail('header-too-large', `its header would have ${count(Number(length), 'byte')}`);
  if (length > fileSize - 8)
    fail(
      'truncated',
      `its header has ${count(Number(length), 'byte')}, and the file has only ${number(fileSize)}`,
    );
  return Number(length);
}

/** Bytes as numbers of a type: a view if their alignment allows it, else a copy. */
export function typed(dtype: DType, bytes: Uint8Array): TensorData {
  const { array: TypedArray } = TYPES[dtype];
  // Not slice(): the slice of a Buffer is a view, which would be misaligned too.
  const { buffer, byteOffset, byteLength } =
    bytes.byteOffset % TypedArray.BYTES_PER_ELEMENT === 0 ? bytes : new Uint8Array(bytes);
  return new TypedArray(buffer as ArrayBuffer, byteOffset, byteLength / TypedArray.BYTES_PER_ELEMENT);
}

/**
 * The bytes of a safetensors file. Tensors are ordered by element size, largest first, then by name, so that all are aligned and the
 * same content gives the same bytes. Throws `UsageError` if a tensor's data does not fit its type and shape, and `DataError` if the
 * header is too long.
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, Tensor> | Readonly<Record<string, Tensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const pieces = [...safetensorsPieces(tensors, metadata)];
  const bytes = new Uint8Array(pieces.reduce((total, { length }) => total + length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** The same bytes in pieces, which are views on the tensors, so that a large file is not copied in memory. Throws as `encodeSafetensors`. */
export function* safetensorsPieces(
  tensors: ReadonlyMap<string, Tensor> | Readonly<Record<string, Tensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Generator<Uint8Array> {
  const named = [...(tensors instanceof Map ? tensors : Object.entries(tensors))] as [string, Tensor][];
  for (const [name, tensor] of named) checkTensor(name, tensor);
  const { header, order } = layOut(named, metadata);
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(header.length), true);
  yield length;
  yield header;
  for (const [, tensor] of order) {
    const bytes = tensorBytes(tensor);
    for (let at = 0; at < bytes.length; at += CHUNK) yield bytes.subarray(at, at + CHUNK);
  }
}

function checkTensor(name: string, { dtype, shape, data }: Tensor): void {
  const fits = data instanceof TYPES[dtype].array && data.length === sizeOf(shape);
  if (fits && name !== '__metadata__') return;
  const what = fits
    ? 'the name is reserved'
    : `[${shape.join(', ')}] ${dtype} does not fit its ${count(data.length, 'element')}`;
  throw new UsageError(`Tensor "${name}" cannot be stored: ${what}`, {
    code: 'safetensors/tensor',
    details: { name, dtype, shape, length: data.length },
  });
}
