/** Conversion between float32 and IEEE 754 half precision (F16) or bfloat16. Rounding is to nearest, ties to even. */

const scratch = new Float32Array(1);
const bits = new Uint32Array(scratch.buffer);

/** The largest finite number of half precision. */
export const LARGEST_HALF = 65504;

/** The 16 bits of the half-precision number nearest to x. */
export function toHalfBits(x: number): number {
  scratch[0] = x;
  return halfOfWord(bits[0]!);
}

/** The 16 bits of the half-precision number nearest to the float32 with the bits `word`. */
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

/** The number with these 16 bits of half precision. */
export function fromHalfBits(h: number): number {
  const sign = h & 0x8000 ? -1 : 1;
  const exponent = (h >>> 10) & 31;
  const mantissa = h & 0x3ff;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === 31) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}

/** The half-precision bits of each value, [n]. */
export function toHalf(values: Float32Array): Uint16Array {
  // Not `Uint16Array.from`: it makes an ordinary array first, which cannot hold as many numbers as a matrix.
  const out = new Uint16Array(values.length);
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < words.length; i++) out[i] = halfOfWord(words[i]!);
  return out;
}

/** The float32 value of each half-precision number, [n]. */
export function fromHalf(values: Uint16Array): Float32Array {
  const table = halfTable();
  const out = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) out[i] = table[values[i]!]!;
  return out;
}

/** The float32 value of each bfloat16 number, [n]: its bits are the upper 16 bits of a float32. */
export function fromBfloat16(values: Uint16Array): Float32Array {
  const words = new Uint32Array(values.length);
  for (let i = 0; i < values.length; i++) words[i] = values[i]! << 16;
  return new Float32Array(words.buffer);
}

/** The values rounded to half precision, as float32, [n]. */
export function roundToHalf(values: Float32Array): Float32Array {
  return fromHalf(toHalf(values));
}

let table: Float32Array | undefined;

function halfTable(): Float32Array {
  table ??= Float32Array.from({ length: 0x10000 }, (_, h) => fromHalfBits(h));
  return table;
}
