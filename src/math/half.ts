/** IEEE 754 half precision (F16) and bfloat16 to float32 and back; rounding is to nearest, ties to even. */

const scratch = new Float32Array(1);
const bits = new Uint32Array(scratch.buffer);

/** The largest number there is in half precision. */
export const LARGEST_HALF = 65504;

/** The 16 bits of the half nearest to x. */
export function toHalfBits(x: number): number {
  scratch[0] = x;
  return halfOfWord(bits[0]!);
}

/** The 16 bits of the half nearest to the number that the 32 bits of `word` stand for. */
function halfOfWord(word: number): number {
  const sign = (word >>> 16) & 0x8000;
  const exponent = (word >>> 23) & 0xff;
  const mantissa = word & 0x7fffff;
  if (exponent === 0xff) return sign | 0x7c00 | (mantissa ? 0x200 : 0);
  const e = exponent - 112;
  if (e >= 31) return sign | 0x7c00;
  if (e <= 0) {
    if (e < -10) return sign;
    const full = mantissa | 0x800000;
    const shift = 14 - e;
    const kept = full >>> shift;
    const rest = full & ((1 << shift) - 1);
    const half = 1 << (shift - 1);
    return sign | (kept + (rest > half || (rest === half && kept & 1) ? 1 : 0));
  }
  const kept = (e << 10) | (mantissa >>> 13);
  const rest = mantissa & 0x1fff;
  return sign | (kept + (rest > 0x1000 || (rest === 0x1000 && kept & 1) ? 1 : 0));
}

/** The number that 16 bits of half precision stand for. */
export function fromHalfBits(h: number): number {
  const sign = h & 0x8000 ? -1 : 1;
  const exponent = (h >>> 10) & 31;
  const mantissa = h & 0x3ff;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === 31) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}

/** Half-precision bits of every value. */
export function toHalf(values: Float32Array): Uint16Array {
  // Not `Uint16Array.from`: that lists the values first, and a list has fewer places than a matrix may have numbers.
  const out = new Uint16Array(values.length);
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < words.length; i++) out[i] = halfOfWord(words[i]!);
  return out;
}

/** Float32 values of half-precision bits. */
export function fromHalf(values: Uint16Array): Float32Array {
  const table = halfTable();
  const out = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) out[i] = table[values[i]!]!;
  return out;
}

/** Float32 values of bfloat16 bits: the upper half of a float32. */
export function fromBfloat16(values: Uint16Array): Float32Array {
  const words = new Uint32Array(values.length);
  for (let i = 0; i < values.length; i++) words[i] = values[i]! << 16;
  return new Float32Array(words.buffer);
}

/** The values as they are after being stored in half precision. */
export function roundToHalf(values: Float32Array): Float32Array {
  return fromHalf(toHalf(values));
}

let table: Float32Array | undefined;

function halfTable(): Float32Array {
  table ??= Float32Array.from({ length: 0x10000 }, (_, h) => fromHalfBits(h));
  return table;
}
