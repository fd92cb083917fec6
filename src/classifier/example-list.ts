import type { Pieces } from '../abort.ts';
import { UsageError } from '../errors.ts';
import type { Tensor } from '../math/tensor.ts';
import { HASH, hexOf, placeHash } from '../sha256.ts';
import type { SupportExample } from './types.ts';

/** Bytes in memory (a `Uint8Array`) or in a file. */
export interface Bytes {
  readonly length: number;
  /** A copy of bytes `begin` to `end`. */
  slice(begin: number, end: number): Uint8Array;
}

/** Byte strings of different lengths, one after another: string i is `bytes` from `offsets[i]` to `offsets[i + 1]`. */
export interface Parts<B extends Bytes = Uint8Array> {
  readonly bytes: B;
  /** [n + 1] */
  readonly offsets: Int32Array;
}

/** The facts of n examples as a classifier's file holds them. */
export interface ExampleColumns {
  /** Ids in UTF-8. A lone surrogate has the three bytes that UTF-8 would give its code point. */
  readonly ids: Parts;
  /** Sha256 of each picture's bytes, [n, 32]. */
  readonly hashes: Bytes;
  /** Thumbnails as JPEG. */
  readonly pictures?: Parts<Bytes>;
}

/**
 * The examples of columns. Each is made when it is asked for, because a million examples as objects and texts take 400 MiB. It is then a plain
 * object: one with getters takes three times the memory in the lists that `add` and `remove` make.
 */
export function exampleList({ ids, hashes, pictures }: ExampleColumns): readonly SupportExample[] {
  return lazyList(hashes.length / HASH, (i) => ({
    id: nameAt(ids, i),
    sha256: hexOf(hashes.slice(HASH * i, HASH * (i + 1))),
    // A copy, because a view would be sent to another thread with the bytes of all pictures.
    thumbnail: pictures?.bytes.slice(pictures.offsets[i]!, pictures.offsets[i + 1]!),
  }));
}

/** An array that cannot be changed and whose elements are made when they are asked for. */
function lazyList<T>(length: number, at: (index: number) => T): readonly T[] {
  const indexOf = (key: string | symbol): number | undefined => {
    const index = typeof key === 'string' && /^\d+$/.test(key) ? Number(key) : length;
    return index < length && String(index) === key ? index : undefined;
  };
  const target: T[] = [];
  const list: readonly T[] = new Proxy(target, {
    get: (_, key) => {
      if (key === 'length') return length;
      const index = indexOf(key);
      return index === undefined ? Reflect.get(target, key) : at(index);
    },
    has: (_, key) => indexOf(key) !== undefined || Reflect.has(target, key),
    ownKeys: () => [...Array.from({ length }, (_, i) => String(i)), 'length'],
    getOwnPropertyDescriptor: (_, key) => {
      if (key === 'length') return { value: length, writable: true, enumerable: false, configurable: false };
      const index = indexOf(key);
      return index === undefined
        ? undefined
        : { value: at(index), writable: false, enumerable: true, configurable: true };
    },
    set: () => false,
    defineProperty: () => false,
    deleteProperty: () => false,
  });
  // Node prints the target of a proxy, which is empty.
  Object.defineProperty(target, Symbol.for('nodejs.util.inspect.custom'), {
    value: () => [...list],
    configurable: true,
  });
  return list;
}

/** The tensors of the examples' ids and hashes, as interruptible work. Throws `UsageError` for a hash that is no sha256. */
export function* exampleTensors(examples: readonly SupportExample[]): Pieces<Record<string, Tensor>> {
  const offsets = new Int32Array(examples.length + 1);
  const hashes = new Uint8Array(examples.length * HASH);
  let bytes = new Uint8Array(1 << 10);
  for (let i = 0; i < examples.length; i++) {
    const { id, sha256 } = examples[i]!;
    const start = offsets[i]!;
    const most = start + 3 * id.length;
    if (most >= 2 ** 31) throw cannotBeStored('the ids of the examples have more than 2 GiB');
    if (most > bytes.length) {
      const larger = new Uint8Array(Math.max(2 * bytes.length, most));
      larger.set(bytes);
      bytes = larger;
    }
    offsets[i + 1] = start + writeName(id, bytes.subarray(start));
    if (!SHA256.test(sha256)) throw cannotBeStored(`the example "${id}" has the sha256 "${sha256}"`);
    placeHash(sha256, hashes, HASH * i);
    yield;
  }
  const size = offsets[examples.length]!;
  return {
    'examples.ids': { dtype: 'uint8', shape: [size], data: bytes.slice(0, size) },
    'examples.ids.offsets': { dtype: 'int32', shape: [offsets.length], data: offsets },
    'examples.sha256': { dtype: 'uint8', shape: [examples.length, HASH], data: hashes },
  };
}

export const SHA256 = /^[0-9a-f]{64}$/;

function cannotBeStored(why: string): UsageError {
  return new UsageError(`The classifier cannot be stored: ${why}`, { code: 'classifier/examples' });
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** With the flag `u`, only surrogates without their pair match. */
const LONE = /([\ud800-\udfff])/u;

/** Writes a name, and returns its number of bytes. `TextEncoder` alone would replace lone surrogates, and two names could become one. */
function writeName(name: string, into: Uint8Array): number {
  let at = 0;
  for (const piece of name.split(LONE)) {
    if (LONE.test(piece)) {
      const code = piece.charCodeAt(0);
      into.set([0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f)], at);
      at += 3;
    } else at += encoder.encodeInto(piece, into.subarray(at)).written;
  }
  return at;
}

/** The first byte of the code points from U+D000 to U+DFFF, of which those from U+D800 on, whose second byte is 0xa0 or more, are surrogates. */
const BEFORE_SURROGATE = 0xed;

/** Number of names that are checked at once. */
const BLOCK = 4096;

/** The index of the first name whose bytes are not those of a name. */
export function* damagedName(names: Parts): Pieces<number | undefined> {
  const { bytes, offsets } = names;
  const count = offsets.length - 1;
  const isName = (i: number) => {
    try {
      nameAt(names, i);
      return true;
    } catch {
      return false;
    }
  };
  for (let start = 0; start < count; start += BLOCK) {
    const end = Math.min(count, start + BLOCK);
    if (!isText(bytes.subarray(offsets[start], offsets[end]), offsets.subarray(start, end)))
      for (let i = start; i < end; i++) if (!isName(i)) return i;
    yield;
  }
  return undefined;
}

/** Whether a block of names is UTF-8, and no name begins within a character. The first of `starts` is where the block begins. */
function isText(block: Uint8Array, starts: Int32Array): boolean {
  try {
    decoder.decode(block);
  } catch {
    return false;
  }
  return starts.every((start) => ((block[start - starts[0]!] ?? 0) & 0xc0) !== 0x80);
}

/** Name i. Throws `TypeError` if its bytes are not those of a name. */
function nameAt({ bytes, offsets }: Parts, i: number): string {
  const own = bytes.subarray(offsets[i], offsets[i + 1]);
  let name = '';
  let start = 0;
  for (let at = own.indexOf(BEFORE_SURROGATE); at >= 0; at = own.indexOf(BEFORE_SURROGATE, at + 1)) {
    const [second, third] = [own[at + 1]!, own[at + 2]!];
    if (!(second >= 0xa0 && second < 0xc0 && third >= 0x80 && third < 0xc0)) continue;
    const code = 0xd000 | ((second & 0x3f) << 6) | (third & 0x3f);
    name += decoder.decode(own.subarray(start, at)) + String.fromCharCode(code);
    start = at + 3;
  }
  return name + decoder.decode(own.subarray(start));
}
