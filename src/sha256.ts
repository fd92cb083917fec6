import type { Hash } from 'node:crypto';

/** A sha256 in progress. */
export interface Sha256 {
  update(data: string | ArrayBufferView): Sha256;
  /** The hash in hex. Nothing can be added afterwards. */
  digest(encoding: 'hex'): string;
}

declare const process: { getBuiltinModule?(id: 'node:crypto'): { createHash(algorithm: string): Hash } };

/** Number of bytes of a sha256. */
export const HASH = 32;

const DIGITS = new TextEncoder().encode('0123456789abcdef');
const decoder = new TextDecoder();

/** A sha256 in hexadecimal digits. */
export function hexOf(hash: Uint8Array): string {
  const digits = new Uint8Array(2 * HASH);
  for (let k = 0; k < HASH; k++) {
    digits[2 * k] = DIGITS[hash[k]! >> 4]!;
    digits[2 * k + 1] = DIGITS[hash[k]! & 15]!;
  }
  return decoder.decode(digits);
}

/** Writes a sha256 (hex) as bytes. */
export function placeHash(sha256: string, into: Uint8Array, at: number): void {
  for (let k = 0; k < HASH; k++) into[at + k] = Number.parseInt(sha256.slice(2 * k, 2 * k + 2), 16);
}

/** Starts a sha256 (FIPS 180-4): that of Node where there is one, else `portableSha256`, which a page needs, because its own is only for whole data. */
export function createSha256(): Sha256 {
  const node = typeof process === 'undefined' ? undefined : process.getBuiltinModule?.('node:crypto');
  return node ? node.createHash('sha256') : portableSha256();
}

/** Sha256 (hex) of bytes or of a text in UTF-8. */
export function sha256(data: string | ArrayBufferView): string {
  return createSha256().update(data).digest('hex');
}

const BLOCK = 64;

/** The first 32 bits of the fractional parts of the square or cube roots of the first primes. */
function rootsOfPrimes(count: number, root: (prime: number) => number): Uint32Array {
  const primes: number[] = [];
  for (let n = 2; primes.length < count; n++) if (primes.every((prime) => n % prime !== 0)) primes.push(n);
  return Uint32Array.from(primes, (prime) => (root(prime) % 1) * 2 ** 32);
}

const CONSTANTS = rootsOfPrimes(BLOCK, Math.cbrt);
const START = rootsOfPrimes(8, Math.sqrt);

/** A sha256 without a platform. */
export function portableSha256(): Sha256 {
  const state = START.slice();
  const words = new Uint32Array(BLOCK);
  const rest = new Uint8Array(BLOCK);
  const view = new DataView(rest.buffer);
  let length = 0;

  function add(bytes: Uint8Array): void {
    let at = 0;
    const begun = length % BLOCK;
    length += bytes.length;
    if (begun > 0) {
      const taken = Math.min(BLOCK - begun, bytes.length);
      rest.set(bytes.subarray(0, taken), begun);
      if (begun + taken < BLOCK) return;
      compress(state, words, view, 0);
      at = taken;
    }
    const whole = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (; at + BLOCK <= bytes.length; at += BLOCK) compress(state, words, whole, at);
    rest.set(bytes.subarray(at));
  }

  const hash: Sha256 = {
    update: (data) => {
      add(
        typeof data === 'string'
          ? new TextEncoder().encode(data)
          : new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
      );
      return hash;
    },
    digest: () => {
      const bits = length * 8;
      const end = new Uint8Array(BLOCK + 8 - ((length + 8) % BLOCK));
      end[0] = 0x80;
      const tail = new DataView(end.buffer);
      tail.setUint32(end.length - 8, Math.floor(bits / 2 ** 32));
      tail.setUint32(end.length - 4, bits % 2 ** 32);
      add(end);
      return Array.from(state, (word) => word.toString(16).padStart(8, '0')).join('');
    },
  };
  return hash;
}

/** Takes one block of a message into the state (FIPS 180-4, section 6.2.2). */
function compress(state: Uint32Array, words: Uint32Array, block: DataView, at: number): void {
  for (let i = 0; i < 16; i++) words[i] = block.getUint32(at + 4 * i);
  for (let i = 16; i < BLOCK; i++) {
    const [x, y] = [words[i - 15]!, words[i - 2]!];
    const small = turned(x, 7) ^ turned(x, 18) ^ (x >>> 3);
    words[i] = words[i - 16]! + small + words[i - 7]! + (turned(y, 17) ^ turned(y, 19) ^ (y >>> 10));
  }
  let [a, b, c, d, e, f, g, h] = state as unknown as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  for (let i = 0; i < BLOCK; i++) {
    const first =
      (h +
        (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) +
        ((e & f) ^ (~e & g)) +
        CONSTANTS[i]! +
        words[i]!) |
      0;
    const second = ((turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + first) | 0;
    d = c;
    c = b;
    b = a;
    a = (first + second) | 0;
  }
  [a, b, c, d, e, f, g, h].forEach((value, i) => {
    state[i]! += value;
  });
}

const turned = (x: number, by: number) => (x >>> by) | (x << (32 - by));
