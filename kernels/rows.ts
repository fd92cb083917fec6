/** Sums of squares outside of these bounds are left to the caller, because they may have lost digits, or are not finite. */
const LEAST: f32 = 1e-30;
const MOST: f32 = 1e30;

/** 2^112: the ratio of a half's number to the number whose bits are those of the half, shifted into the place of a single. */
const SHIFT: f32 = 5192296858534827628530496329220096.0;
/** No finite half is as large. */
const BEYOND: f32 = 65536;

/**
 * Writes `n` rows of `d` half-precision numbers as rows of length 1 in single precision, and returns n; or the place of the first row that is
 * not finite or too short or long for single precision.
 */
export function unitHalves(halves: usize, n: i32, d: i32, out: usize): i32 {
  for (let row = 0; row < n; row++) {
    let squares = f32x4.splat(0);
    let largest = f32x4.splat(0);
    let j = 0;
    for (; j + 8 <= d; j += 8) {
      const bits = v128.load(halves + (usize(j) << 1));
      const low = single(i32x4.extend_low_i16x8_u(bits));
      const high = single(i32x4.extend_high_i16x8_u(bits));
      largest = f32x4.max(largest, f32x4.max(f32x4.abs(low), f32x4.abs(high)));
      squares = f32x4.add(squares, f32x4.add(f32x4.mul(low, low), f32x4.mul(high, high)));
      v128.store(out + (usize(j) << 2), low);
      v128.store(out + (usize(j) << 2), high, 16);
    }
    for (; j < d; j++) {
      const one = single(i32x4.splat(i32(load<u16>(halves + (usize(j) << 1)))));
      largest = f32x4.max(largest, f32x4.abs(one));
      squares = f32x4.add(squares, f32x4.replace_lane(f32x4.splat(0), 0, square(f32x4.extract_lane(one, 0))));
      store<f32>(out + (usize(j) << 2), f32x4.extract_lane(one, 0));
    }
    if (v128.any_true(f32x4.ge(largest, f32x4.splat(BEYOND))) || !scaled(out, d, sum(squares))) return row;
    halves += usize(d) << 1;
    out += usize(d) << 2;
  }
  return n;
}

/** The same for rows of single-precision numbers, in place. */
export function unitSingles(rows: usize, n: i32, d: i32): i32 {
  for (let row = 0; row < n; row++) {
    let squares = f32x4.splat(0);
    let j = 0;
    for (; j + 4 <= d; j += 4) {
      const x = v128.load(rows + (usize(j) << 2));
      squares = f32x4.add(squares, f32x4.mul(x, x));
    }
    let rest: f32 = 0;
    for (; j < d; j++) rest += square(load<f32>(rows + (usize(j) << 2)));
    if (!scaled(rows, d, sum(squares) + rest)) return row;
    rows += usize(d) << 2;
  }
  return n;
}

/** Adds each of `n` rows to the sum of its class, in double precision: sums [classes, d]. */
export function addByClass(rows: usize, labels: usize, n: i32, d: i32, sums: usize): void {
  for (let row = 0; row < n; row++) {
    const target = sums + ((usize(load<i32>(labels + (usize(row) << 2))) * usize(d)) << 3);
    addTo(target, rows, d);
    rows += usize(d) << 2;
  }
}

/**
 * Writes `n` rows less `centre` [d] as columns `at` to `at + n` of a matrix [d, capacity]. Blocks of 16 rows are written together, so that each
 * line of the processor's cache is written at once.
 */
export function columns(rows: usize, n: i32, d: i32, centre: usize, capacity: i32, at: i32, out: usize): void {
  const whole = n & ~3;
  for (let first = 0; first < whole; first += 16) {
    const last = min(first + 16, whole);
    let j = 0;
    for (; j + 4 <= d; j += 4) {
      const around = v128.load(centre + (usize(j) << 2));
      for (let row = first; row < last; row += 4)
        transposed(rows, row, d, j, around, out + ((usize(j) * usize(capacity) + usize(at + row)) << 2), capacity);
    }
    for (; j < d; j++) for (let row = first; row < last; row++) moved(rows, row, d, j, centre, capacity, at, out);
  }
  for (let row = whole; row < n; row++)
    for (let j = 0; j < d; j++) moved(rows, row, d, j, centre, capacity, at, out);
}

/** Writes four numbers of four rows less four of the centre as four columns. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function transposed(rows: usize, row: i32, d: i32, j: i32, around: v128, to: usize, capacity: i32): void {
  const width = usize(d) << 2;
  const from = rows + usize(row) * width + (usize(j) << 2);
  const a = f32x4.sub(v128.load(from), around);
  const b = f32x4.sub(v128.load(from + width), around);
  const c = f32x4.sub(v128.load(from + 2 * width), around);
  const e = f32x4.sub(v128.load(from + 3 * width), around);
  const ab = i32x4.shuffle(a, b, 0, 4, 1, 5);
  const abHigh = i32x4.shuffle(a, b, 2, 6, 3, 7);
  const ce = i32x4.shuffle(c, e, 0, 4, 1, 5);
  const ceHigh = i32x4.shuffle(c, e, 2, 6, 3, 7);
  const step = usize(capacity) << 2;
  v128.store(to, i64x2.shuffle(ab, ce, 0, 2));
  v128.store(to + step, i64x2.shuffle(ab, ce, 1, 3));
  v128.store(to + 2 * step, i64x2.shuffle(abHigh, ceHigh, 0, 2));
  v128.store(to + 3 * step, i64x2.shuffle(abHigh, ceHigh, 1, 3));
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function moved(rows: usize, row: i32, d: i32, j: i32, centre: usize, capacity: i32, at: i32, out: usize): void {
  const x = load<f32>(rows + ((usize(row) * usize(d) + usize(j)) << 2)) - load<f32>(centre + (usize(j) << 2));
  store<f32>(out + ((usize(j) * usize(capacity) + usize(at + row)) << 2), x);
}

/** Adds the sum of the first `n` numbers of each row of a matrix [d, capacity] to `sums` [d], in double precision. */
export function addRows(matrix: usize, n: i32, d: i32, capacity: i32, sums: usize): void {
  for (let j = 0; j < d; j++) {
    const from = matrix + ((usize(j) * usize(capacity)) << 2);
    let low = f64x2.splat(0);
    let high = f64x2.splat(0);
    let i = 0;
    for (; i + 4 <= n; i += 4) {
      const x = v128.load(from + (usize(i) << 2));
      low = f64x2.add(low, f64x2.promote_low_f32x4(x));
      high = f64x2.add(high, f64x2.promote_low_f32x4(i64x2.shuffle(x, x, 1, 1)));
    }
    const both = f64x2.add(low, high);
    let total = f64x2.extract_lane(both, 0) + f64x2.extract_lane(both, 1);
    for (; i < n; i++) total += f64(load<f32>(from + (usize(i) << 2)));
    store<f64>(sums + (usize(j) << 3), load<f64>(sums + (usize(j) << 3)) + total);
  }
}

/** Adds a row of single-precision numbers to one of double precision. */
function addTo(sums: usize, row: usize, d: i32): void {
  let j = 0;
  for (; j + 4 <= d; j += 4) {
    const x = v128.load(row + (usize(j) << 2));
    const at = sums + (usize(j) << 3);
    v128.store(at, f64x2.add(v128.load(at), f64x2.promote_low_f32x4(x)));
    const high = i64x2.shuffle(x, x, 1, 1);
    v128.store(at, f64x2.add(v128.load(at, 16), f64x2.promote_low_f32x4(high)), 16);
  }
  for (; j < d; j++) {
    const at = sums + (usize(j) << 3);
    store<f64>(at, load<f64>(at) + f64(load<f32>(row + (usize(j) << 2))));
  }
}

/** Scales a row with this sum of squares to length 1, unless the sum is out of bounds. */
function scaled(row: usize, d: i32, squares: f32): bool {
  if (!(squares > LEAST && squares < MOST)) return false;
  const scale: f32 = 1 / Mathf.sqrt(squares);
  const scales = f32x4.splat(scale);
  let j = 0;
  for (; j + 4 <= d; j += 4) {
    const at = row + (usize(j) << 2);
    v128.store(at, f32x4.mul(v128.load(at), scales));
  }
  for (; j < d; j++) {
    const at = row + (usize(j) << 2);
    store<f32>(at, load<f32>(at) * scale);
  }
  return true;
}

/** The numbers of four halves, each in the lower bits of its lane. An infinity or NaN becomes a number from 65,536 on. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function single(halves: v128): v128 {
  const sign = i32x4.shl(v128.and(halves, i32x4.splat(0x8000)), 16);
  const size = i32x4.shl(v128.and(halves, i32x4.splat(0x7fff)), 13);
  return v128.or(f32x4.mul(size, f32x4.splat(SHIFT)), sign);
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function sum(x: v128): f32 {
  return f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 1) + f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3);
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function square(x: f32): f32 {
  return x * x;
}
