import type { Pieces } from '../abort.ts';
import { HASH, hexOf } from '../sha256.ts';
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

export const SHA256 = /^[0-9a-f]{64}$/;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

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
