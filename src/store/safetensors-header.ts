import { DataError, ModelError } from '../errors.ts';
import { parseJson as parseBounded } from '../json.ts';
import type { DType, Tensor, TensorData } from '../math/tensor.ts';
import { count, number, plural } from '../words.ts';

/** The checked JSON header of a safetensors file: its tensors cover the data without gaps or overlaps. */
export interface Header {
  entries: Map<string, Entry>;
  metadata: Record<string, string>;
}

/** A tensor, and its position in the data after the header: bytes `begin` to `end`. */
interface Entry {
  dtype: DType;
  shape: number[];
  begin: number;
  end: number;
}

/** Longest header accepted, as in the reference implementation. */
export const MAX_HEADER = 100_000_000;

/** Limits of the JSON: a tensor's sizes are nested three deep, and checkpoints have thousands of tensors, not hundreds of thousands. */
const BOUNDS = { depth: 3, values: 2_000_000 };

/** Largest number of dimensions. A header with more is no real tensor, and would only make the product of sizes slow. */
const MAX_RANK = 64;

interface TypedArrayOf {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer, byteOffset: number, length: number): TensorData;
}

/** The format's name and the array of each element type. */
export const TYPES: Record<DType, { name: string; array: TypedArrayOf }> = {
  float64: { name: 'F64', array: Float64Array },
  float32: { name: 'F32', array: Float32Array },
  float16: { name: 'F16', array: Uint16Array },
  bfloat16: { name: 'BF16', array: Uint16Array },
  int64: { name: 'I64', array: BigInt64Array },
  int32: { name: 'I32', array: Int32Array },
  int8: { name: 'I8', array: Int8Array },
  uint8: { name: 'U8', array: Uint8Array },
  bool: { name: 'BOOL', array: Uint8Array },
};

const BY_NAME = new Map(Object.entries(TYPES).map(([dtype, { name }]) => [name, dtype as DType]));

type Fail = (code: string, what: string) => never;

/** Parses the header, and checks it against the `dataLength` bytes after it. Throws `ModelError` (`safetensors/…`). */
export function parseHeader(bytes: Uint8Array, dataLength: number, origin: string): Header {
  const fail: Fail = (code, what) => {
    throw new ModelError(`${origin} is not a valid safetensors file: ${what.slice(0, 300)}`, {
      code: `safetensors/${code}`,
      hint: 'It may be damaged. Download it again, or make it again.',
      details: { origin },
    });
  };
  const { __metadata__: metadata, ...tensors } = parseJson(bytes, fail);
  const entries = new Map(
    Object.entries(tensors).map(([name, value]) => [name, parseEntry(name, value, fail)]),
  );
  checkTiling(entries, dataLength, fail);
  return { entries, metadata: parseMetadata(metadata, fail) };
}

function parseJson(bytes: Uint8Array, fail: Fail): Record<string, unknown> {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return fail('json', 'its header is not UTF-8');
  }
  const header = parseBounded(text, BOUNDS, (why) => fail('json', `its header cannot be read: ${why}`));
  if (!isRecord(header)) return fail('json', 'its header is not a JSON object');
  const twice = repeatedKey(text);
  if (twice !== undefined) fail('duplicate', `its header names ${twice} twice`);
  return header;
}

/** The first key that an object of valid JSON text repeats; `JSON.parse` would silently keep the last one. */
function repeatedKey(json: string): string | undefined {
  const open: (Set<string> | undefined)[] = [];
  for (let at = 0; at < json.length; at++) {
    const character = json[at];
    if (character === '{') open.push(new Set());
    else if (character === '[') open.push(undefined);
    else if (character === '}' || character === ']') open.pop();
    else if (character === '"') {
      const end = endOfText(json, at);
      // Only keys are decoded, because a value may be a text of many megabytes.
      if (isKey(json, end)) {
        const key = json.slice(at, end);
        const name = JSON.parse(key);
        const keys = open.at(-1);
        if (keys?.has(name)) return key;
        keys?.add(name);
      }
      at = end - 1;
    }
  }
  return undefined;
}

/** The position after the closing quote of the text whose opening quote is at `start`. */
function endOfText(json: string, start: number): number {
  for (let at = json.indexOf('"', start + 1); ; at = json.indexOf('"', at + 1)) {
    let backslashes = 0;
    while (json[at - 1 - backslashes] === '\\') backslashes++;
    if (backslashes % 2 === 0) return at + 1;
  }
}

const SPACE = ' \t\n\r';

/** Whether a colon follows, which makes the text a key. */
function isKey(json: string, end: number): boolean {
  let at = end;
  while (at < json.length && SPACE.includes(json[at]!)) at++;
  return json[at] === ':';
}

function parseEntry(name: string, value: unknown, fail: Fail): Entry {
  const {
    dtype: typeName,
    shape,
    data_offsets: offsets,
    ...others
  } = isRecord(value) ? value : fail('entry', `tensor "${name}" is not described by an object`);
  const unknown = Object.keys(others)[0];
  if (unknown !== undefined) fail('entry', `tensor "${name}" has an unknown field "${unknown}"`);
  const dtype = BY_NAME.get(typeName as string);
  if (dtype === undefined)
    return fail('dtype', `tensor "${name}" has the unknown type ${JSON.stringify(typeName)}`);
  if (!isSizes(shape) || shape.length > MAX_RANK)
    return fail('shape', `tensor "${name}" has the invalid shape ${JSON.stringify(shape)}`);
  const [begin, end] = isSizes(offsets) && offsets.length === 2 ? offsets : [];
  if (begin === undefined || end === undefined || end < begin) {
    return fail('offsets', `tensor "${name}" has the invalid offsets ${JSON.stringify(offsets)}`);
  }
  // BigInt, because a product of sizes may exceed 2^53 and round to a plausible number.
  const needed = shape.reduce((n, size) => n * BigInt(size), BigInt(TYPES[dtype].array.BYTES_PER_ELEMENT));
  if (needed !== BigInt(end - begin)) {
    fail(
      'size',
      `tensor "${name}" [${shape.join(', ')}] ${typeName} needs ${count(Number(needed), 'byte')} and has ${number(end - begin)}`,
    );
  }
  return { dtype, shape, begin, end };
}

function checkTiling(entries: Map<string, Entry>, dataLength: number, fail: Fail): void {
  let at = 0;
  for (const [name, { begin, end }] of [...entries].sort(
    (a, b) => a[1].begin - b[1].begin || a[1].end - b[1].end,
  )) {
    if (begin < at) fail('overlap', `tensor "${name}" overlaps the one before it`);
    if (begin > at)
      fail(
        'hole',
        `${count(begin - at, 'byte')} before tensor "${name}" ${plural(begin - at, 'belongs', 'belong')} to no tensor`,
      );
    at = end;
  }
  if (at > dataLength)
    fail('truncated', `its tensors need ${count(at, 'byte')}, and it has ${number(dataLength)}`);
  if (at < dataLength)
    fail(
      'hole',
      `${count(dataLength - at, 'byte')} at the end ${plural(dataLength - at, 'belongs', 'belong')} to no tensor`,
    );
}

function parseMetadata(value: unknown, fail: Fail): Record<string, string> {
  if (value === undefined) return {};
  if (isRecord(value) && Object.values(value).every((text) => typeof text === 'string')) {
    return value as Record<string, string>;
  }
  return fail('metadata', 'its metadata is not an object of texts');
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

/** The padded bytes of the header, and the order of the tensors after it. */
export function layOut(
  tensors: [string, Tensor][],
  metadata: Readonly<Record<string, string>>,
): { header: Uint8Array; order: [string, Tensor][] } {
  const width = (tensor: Tensor) => TYPES[tensor.dtype].array.BYTES_PER_ELEMENT;
  const order = [...tensors].sort(([a, x], [b, y]) => width(y) - width(x) || (a < b ? -1 : 1));
  let at = 0;
  const described = order.map(([name, { dtype, shape, data }]) => {
    const begin = at;
    at += data.byteLength;
    return [name, { dtype: TYPES[dtype].name, shape, data_offsets: [begin, at] }] as const;
  });
  const text = JSON.stringify(Object.fromEntries([['__metadata__', metadata], ...described]));
  const bytes = new TextEncoder().encode(text);
  if (bytes.length > MAX_HEADER - 8) {
    throw new DataError(`The header of this safetensors file would have ${count(bytes.length, 'byte')}`, {
      code: 'safetensors/header-too-large',
      hint: `Use fewer classes or prompts: a classifier stores them in the header, and programs read at most ${count(MAX_HEADER, 'byte')}.`,
      details: { bytes: bytes.length },
    });
  }
  // The header is padded with spaces to a multiple of 8 bytes, so that the data is aligned.
  const header = new Uint8Array(Math.ceil(bytes.length / 8) * 8).fill(0x20);
  header.set(bytes);
  return { header, order };
}

/** The elements' bytes, not copied. */
export function tensorBytes({ data }: Tensor): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
