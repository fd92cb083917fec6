/**
 * One query against a cache at many sharpnesses. `e` holds exp(-beta0 (1 - a)) of its cosines a, `factor` exp(-step (1 - a)), both
 * [blocks * size] with `size` a multiple of 4 and 0 where there is no key; `owner` is each block's class. For each of `count`
 * sharpnesses, e is multiplied by the factor after use. `sums` is scratch. z and sums hold a
 * multiple of 4 numbers: beyond the classes z is minus infinity, and sums stay 0.
 *
 * Writes the interval of alphas >= 0 for which z + alpha sums is largest at `label`, to lower[i] and upper[i]: one pass over the
 * classes, each of which cuts the interval from one side. Of equal scores the lowest class wins. Where no alpha does, lower is
 * above upper.
 */
export function intervals(
  e: usize,
  factor: usize,
  blocks: i32,
  size: i32,
  owner: usize,
  z: usize,
  sums: usize,
  classes: i32,
  label: i32,
  count: i32,
  lower: usize,
  upper: usize,
): void {
  const width: usize = usize(size) << 2;
  for (let i = 0; i < count; i++) {
    memory.fill(sums, 0, usize(classes) << 2);
    let at: usize = 0;
    for (let block = 0; block < blocks; block++) {
      let total = f32x4.splat(0);
      for (const end = at + width; at < end; at += 16) {
        const votes = v128.load(e + at);
        total = f32x4.add(total, votes);
        v128.store(e + at, f32x4.mul(votes, v128.load(factor + at)));
      }
      const sum =
        f32x4.extract_lane(total, 0) +
        f32x4.extract_lane(total, 1) +
        f32x4.extract_lane(total, 2) +
        f32x4.extract_lane(total, 3);
      const place = sums + (usize(load<i32>(owner + (usize(block) << 2))) << 2);
      store<f32>(place, load<f32>(place) + sum);
    }
    const ownText = load<f32>(z + (usize(label) << 2));
    const ownSum = load<f32>(sums + (usize(label) << 2));
    const texts = f32x4.splat(ownText);
    const votes = f32x4.splat(ownSum);
    const zero = f32x4.splat(0);
    let lows = zero;
    let highs = f32x4.splat(Infinity);
    for (let c = 0; c < classes; c += 4) {
      const d = f32x4.sub(texts, v128.load(z + (usize(c) << 2)));
      const s = f32x4.sub(votes, v128.load(sums + (usize(c) << 2)));
      // Both sides are cut at -d / s; ties and equal sums are rare, and one by one.
      const odd = v128.or(f32x4.eq(s, zero), f32x4.eq(d, zero));
      const cut = f32x4.neg(f32x4.div(d, s));
      const up = v128.andnot(f32x4.gt(s, zero), odd);
      const down = v128.andnot(f32x4.lt(s, zero), odd);
      lows = f32x4.max(lows, v128.bitselect(cut, zero, up));
      highs = f32x4.min(highs, v128.bitselect(cut, f32x4.splat(Infinity), down));
      if (v128.any_true(odd)) {
        for (let k = c; k < min(c + 4, classes); k++) {
          if (k == label) continue;
          const own = ownText - load<f32>(z + (usize(k) << 2));
          const sum = ownSum - load<f32>(sums + (usize(k) << 2));
          if (own != 0 && sum != 0) continue;
          // A tie at alpha = 0 goes to the lower class: for a higher one just above it is enough.
          const late = own == 0 && k < label;
          if (sum > 0 && late) lows = f32x4.max(lows, f32x4.splat(f32.MIN_NORMAL_VALUE));
          if (sum < 0) highs = f32x4.min(highs, f32x4.splat(late ? -1 : 0));
          if (sum == 0 && (own < 0 || late)) highs = f32x4.splat(-1);
        }
      }
    }
    const low = max(
      max(f32x4.extract_lane(lows, 0), f32x4.extract_lane(lows, 1)),
      max(f32x4.extract_lane(lows, 2), f32x4.extract_lane(lows, 3)),
    );
    const high = min(
      min(f32x4.extract_lane(highs, 0), f32x4.extract_lane(highs, 1)),
      min(f32x4.extract_lane(highs, 2), f32x4.extract_lane(highs, 3)),
    );
    store<f32>(lower + (usize(i) << 2), low);
    store<f32>(upper + (usize(i) << 2), high);
  }
}

/** to[i] = exp(scale (from[i] - 1)) for `count` numbers, a multiple of 4; relative error below 3e-7, 0 below exp(-87). */
export function votesOf(from: usize, to: usize, count: i32, scale: f32): void {
  const scales = f32x4.splat(scale);
  const one = f32x4.splat(1);
  for (let i: usize = 0; i < usize(count) << 2; i += 16) {
    v128.store(to + i, exponential(f32x4.mul(scales, f32x4.sub(v128.load(from + i), one))));
  }
}

/** exp(x) = 2^n exp(r) with |r| <= ln 2 / 2 and a polynomial for exp(r), as in Cephes' expf. */
function exponential(x: v128): v128 {
  const inside = f32x4.ge(x, f32x4.splat(-87));
  const n = f32x4.nearest(f32x4.mul(x, f32x4.splat(1.44269504)));
  const r = f32x4.sub(
    f32x4.sub(x, f32x4.mul(n, f32x4.splat(0.693359375))),
    f32x4.mul(n, f32x4.splat(-2.12194440e-4)),
  );
  let y = f32x4.splat(1.9875691500e-4);
  y = f32x4.add(f32x4.mul(y, r), f32x4.splat(1.3981999507e-3));
  y = f32x4.add(f32x4.mul(y, r), f32x4.splat(8.3334519073e-3));
  y = f32x4.add(f32x4.mul(y, r), f32x4.splat(4.1665795894e-2));
  y = f32x4.add(f32x4.mul(y, r), f32x4.splat(1.6666665459e-1));
  y = f32x4.add(f32x4.mul(y, r), f32x4.splat(5.0000001201e-1));
  y = f32x4.add(f32x4.add(f32x4.mul(y, f32x4.mul(r, r)), r), f32x4.splat(1));
  const power = i32x4.shl(i32x4.add(i32x4.trunc_sat_f32x4_s(n), i32x4.splat(127)), 23);
  return v128.and(f32x4.mul(y, power), inside);
}
