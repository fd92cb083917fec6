import { exponential, lanes } from './shared/simd';

/** Number of keys in a block. In single precision, a block of usual width fits in the processor's first-level cache. */
const TILE = 16;

/**
 * Adds the votes exp(beta (cosine - 1)) of `rows` 8-bit keys to the sums [classes, m] of their classes. Keys [rows, d] times `scales`
 * are unit rows. Queries are 16-bit numbers [m, width], which times their scales are unit rows too; m is a multiple of 4, and width is
 * d rounded up to a multiple of 16, filled with zeros. Up to 15 bytes after the keys are read.
 */
export function votes8(
  keys: usize,
  scales: usize,
  labels: usize,
  rows: i32,
  d: i32,
  queries: usize,
  queryScales: usize,
  m: i32,
  beta: f32,
  sums: usize,
): void {
  const width: usize = usize((d + 15) & ~15);
  for (let start = 0; start < rows; start += TILE) {
    const end = min(start + TILE, rows);
    for (let q = 0; q < m; q += 4) {
      const first = queries + ((usize(q) * width) << 1);
      const scale = v128.load(queryScales + (usize(q) << 2));
      for (let row = start; row < end; row++) {
        const key = keys + usize(row) * usize(d);
        let a = i32x4.splat(0);
        let b = i32x4.splat(0);
        let c = i32x4.splat(0);
        let e = i32x4.splat(0);
        for (let j: usize = 0; j < width; j += 16) {
          const bytes = v128.load(key + j);
          const low = i16x8.extend_low_i8x16_s(bytes);
          const high = i16x8.extend_high_i8x16_s(bytes);
          const at = first + (j << 1);
          a = i32x4.add(a, i32x4.add(dot(low, at), dot(high, at + 16)));
          b = i32x4.add(b, i32x4.add(dot(low, at + 2 * width), dot(high, at + 2 * width + 16)));
          c = i32x4.add(c, i32x4.add(dot(low, at + 4 * width), dot(high, at + 4 * width + 16)));
          e = i32x4.add(e, i32x4.add(dot(low, at + 6 * width), dot(high, at + 6 * width + 16)));
        }
        const products = f32x4.convert_i32x4_s(across(a, b, c, e));
        const cosines = f32x4.mul(f32x4.mul(products, scale), v128.load32_splat(scales + (usize(row) << 2)));
        vote(cosines, beta, place(sums, labels, row, m, q));
      }
    }
  }
}

/** Adds 128 to signed bytes, which makes them unsigned. `end - at` is a multiple of 16. */
export function unsigned(at: usize, end: usize): void {
  const bias = i8x16.splat(-128);
  for (; at < end; at += 16) v128.store(at, v128.xor(v128.load(at), bias));
}

/**
 * `votes8` from products that were computed before. `products` [rows, 2 m] are those of each key with the high bytes of the m queries
 * and then with the low bytes: 256 times the first plus the second is the product with the query.
 */
export function votesOf(
  products: usize,
  scales: usize,
  labels: usize,
  rows: i32,
  queryScales: usize,
  m: i32,
  beta: f32,
  sums: usize,
): void {
  for (let row = 0; row < rows; row++) {
    const scale = v128.load32_splat(scales + (usize(row) << 2));
    for (let q = 0; q < m; q += 4) {
      const high = products + ((usize(row) * 2 * usize(m) + usize(q)) << 2);
      const low = high + (usize(m) << 2);
      const whole = i32x4.add(i32x4.shl(v128.load(high), 8), v128.load(low));
      const cosines = f32x4.mul(f32x4.convert_i32x4_s(whole), v128.load(queryScales + (usize(q) << 2)));
      vote(f32x4.mul(cosines, scale), beta, place(sums, labels, row, m, q));
    }
  }
}

/** `votes8` for a single query and its sums [classes]. It takes four keys at a time instead of four queries. */
export function votes8One(
  keys: usize,
  scales: usize,
  labels: usize,
  rows: i32,
  d: i32,
  query: usize,
  queryScale: f32,
  beta: f32,
  sums: usize,
): void {
  const width: usize = usize((d + 15) & ~15);
  const scale = f32x4.splat(queryScale);
  const stride = usize(d);
  for (let row = 0; row < rows; row += 4) {
    const key = keys + usize(row) * stride;
    let a = i32x4.splat(0);
    let b = i32x4.splat(0);
    let c = i32x4.splat(0);
    let e = i32x4.splat(0);
    for (let j: usize = 0; j < width; j += 16) {
      const at = query + (j << 1);
      const low = v128.load(at);
      const high = v128.load(at + 16);
      a = i32x4.add(a, dotBytes(key + j, low, high));
      b = i32x4.add(b, dotBytes(key + stride + j, low, high));
      c = i32x4.add(c, dotBytes(key + 2 * stride + j, low, high));
      e = i32x4.add(e, dotBytes(key + 3 * stride + j, low, high));
    }
    const products = f32x4.convert_i32x4_s(across(a, b, c, e));
    const cosines = f32x4.mul(f32x4.mul(products, scale), v128.load(scales + (usize(row) << 2)));
    const votes = exponential(f32x4.mul(f32x4.splat(beta), f32x4.sub(cosines, f32x4.splat(1))));
    const label = labels + (usize(row) << 2);
    addTo(sums, label, f32x4.extract_lane(votes, 0));
    if (row + 1 < rows) addTo(sums, label + 4, f32x4.extract_lane(votes, 1));
    if (row + 2 < rows) addTo(sums, label + 8, f32x4.extract_lane(votes, 2));
    if (row + 3 < rows) addTo(sums, label + 12, f32x4.extract_lane(votes, 3));
  }
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function dotBytes(key: usize, low: v128, high: v128): v128 {
  const bytes = v128.load(key);
  return i32x4.add(
    i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(bytes), low),
    i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_s(bytes), high),
  );
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function addTo(sums: usize, label: usize, vote: f32): void {
  const at = sums + (usize(load<i32>(label)) << 2);
  store<f32>(at, load<f32>(at) + vote);
}

/**
 * The same for keys in half precision, which need not be unit rows, and unit queries in single precision [m, width]. `room` has space for
 * 16 x width numbers. Up to 30 bytes after the keys are read. All keys must be finite.
 */
export function votes16(
  keys: usize,
  labels: usize,
  rows: i32,
  d: i32,
  queries: usize,
  m: i32,
  beta: f32,
  room: usize,
  sums: usize,
): void {
  const width: usize = usize((d + 15) & ~15);
  for (let start = 0; start < rows; start += TILE) {
    const end = min(start + TILE, rows);
    for (let row = start; row < end; row++) {
      widen(keys + ((usize(row) * usize(d)) << 1), d, room + ((usize(row - start) * width) << 2));
    }
    for (let q = 0; q < m; q += 4) {
      const first = queries + ((usize(q) * width) << 2);
      for (let row = start; row < end; row++) {
        const key = room + ((usize(row - start) * width) << 2);
        let a = f32x4.splat(0);
        let b = f32x4.splat(0);
        let c = f32x4.splat(0);
        let e = f32x4.splat(0);
        for (let j: usize = 0; j < width << 2; j += 16) {
          const x = v128.load(key + j);
          a = f32x4.add(a, f32x4.mul(x, v128.load(first + j)));
          b = f32x4.add(b, f32x4.mul(x, v128.load(first + 4 * width + j)));
          c = f32x4.add(c, f32x4.mul(x, v128.load(first + 8 * width + j)));
          e = f32x4.add(e, f32x4.mul(x, v128.load(first + 12 * width + j)));
        }
        vote(acrossFloats(a, b, c, e), beta, place(sums, labels, row, m, q));
      }
    }
  }
}

/**
 * `votes16` for a single query [width] and its sums [classes]. Keys are widened where they are multiplied, and not stored. All keys
 * must be finite.
 */
export function votes16One(
  keys: usize,
  labels: usize,
  rows: i32,
  d: i32,
  query: usize,
  beta: f32,
  sums: usize,
): void {
  const whole = usize(d & ~7);
  for (let row = 0; row < rows; row++) {
    const key = keys + ((usize(row) * usize(d)) << 1);
    let products = f32x4.splat(0);
    let more = f32x4.splat(0);
    let squares = f32x4.splat(0);
    let moreSquares = f32x4.splat(0);
    for (let j: usize = 0; j < whole; j += 8) {
      const halves = v128.load(key + (j << 1));
      const x = single(i32x4.extend_low_i16x8_u(halves));
      const y = single(i32x4.extend_high_i16x8_u(halves));
      products = f32x4.add(products, f32x4.mul(x, v128.load(query + (j << 2))));
      more = f32x4.add(more, f32x4.mul(y, v128.load(query + (j << 2) + 16)));
      squares = f32x4.add(squares, f32x4.mul(x, x));
      moreSquares = f32x4.add(moreSquares, f32x4.mul(y, y));
    }
    let product = lanes(f32x4.add(products, more));
    let length = lanes(f32x4.add(squares, moreSquares));
    for (let j = whole; j < usize(d); j++) {
      const x = f32x4.extract_lane(single(i32x4.splat(load<u16>(key + (j << 1)))), 0);
      product += x * load<f32>(query + (j << 2));
      length += x * x;
    }
    const cosine = length > 0 ? product / sqrt<f32>(length) : 0;
    const votes = exponential(f32x4.splat(beta * (cosine - 1)));
    addTo(sums, labels + (usize(row) << 2), f32x4.extract_lane(votes, 0));
  }
}

/** Converts a row in half precision to a unit row in single precision, filled with zeros up to a multiple of 16. */
function widen(halves: usize, d: i32, to: usize): void {
  const width = (d + 15) & ~15;
  for (let j = 0; j < d; j += 4) {
    const bits = i32x4.extend_low_i16x8_u(v128.load64_zero(halves + (usize(j) << 1)));
    v128.store(to + (usize(j) << 2), single(bits));
  }
  for (let j = d; j < width; j++) store<f32>(to + (usize(j) << 2), 0);
  let squares = f32x4.splat(0);
  for (let j: usize = 0; j < usize(width) << 2; j += 16) {
    const x = v128.load(to + j);
    squares = f32x4.add(squares, f32x4.mul(x, x));
  }
  const total = lanes(squares);
  const scale = f32x4.splat(total > 0 ? f32(1) / sqrt<f32>(total) : 0);
  for (let j: usize = 0; j < usize(width) << 2; j += 16) {
    v128.store(to + j, f32x4.mul(v128.load(to + j), scale));
  }
}

/** Four numbers in single precision from their bits in half precision. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function single(bits: v128): v128 {
  const sign = i32x4.shl(v128.and(bits, i32x4.splat(0x8000)), 16);
  // Exponent and mantissa, shifted to their places, give a number that is 2^112 times too small, also for subnormal halves.
  const size = i32x4.shl(v128.and(bits, i32x4.splat(0x7fff)), 13);
  return v128.or(f32x4.mul(size, f32x4.splat(5192296858534827628530496329220096.0)), sign);
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function dot(x: v128, at: usize): v128 {
  return i32x4.dot_i16x8_s(x, v128.load(at));
}

/** Address of the sums of a key's class for queries q to q + 3. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function place(sums: usize, labels: usize, row: i32, m: i32, q: i32): usize {
  return sums + ((usize(load<i32>(labels + (usize(row) << 2))) * usize(m) + usize(q)) << 2);
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function vote(cosines: v128, beta: f32, at: usize): void {
  const votes = exponential(f32x4.mul(f32x4.splat(beta), f32x4.sub(cosines, f32x4.splat(1))));
  v128.store(at, f32x4.add(v128.load(at), votes));
}

/** The four sums of the lanes of a, b, c and e. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function across(a: v128, b: v128, c: v128, e: v128): v128 {
  const ab = i32x4.add(v128.shuffle<i32>(a, b, 0, 4, 1, 5), v128.shuffle<i32>(a, b, 2, 6, 3, 7));
  const ce = i32x4.add(v128.shuffle<i32>(c, e, 0, 4, 1, 5), v128.shuffle<i32>(c, e, 2, 6, 3, 7));
  return i32x4.add(v128.shuffle<i32>(ab, ce, 0, 1, 4, 5), v128.shuffle<i32>(ab, ce, 2, 3, 6, 7));
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function acrossFloats(a: v128, b: v128, c: v128, e: v128): v128 {
  const ab = f32x4.add(v128.shuffle<i32>(a, b, 0, 4, 1, 5), v128.shuffle<i32>(a, b, 2, 6, 3, 7));
  const ce = f32x4.add(v128.shuffle<i32>(c, e, 0, 4, 1, 5), v128.shuffle<i32>(c, e, 2, 6, 3, 7));
  return f32x4.add(v128.shuffle<i32>(ab, ce, 0, 1, 4, 5), v128.shuffle<i32>(ab, ce, 2, 3, 6, 7));
}
