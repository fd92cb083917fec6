import { exponential, lanes } from './shared/simd';

/**
 * One query against a cache at `count` values of beta. `e` has exp(-beta0 (1 - a)) of the query's cosines a, and `factor` has
 * exp(-step (1 - a)); both are 0 where there is no key. Both are [groups, size, 4]: four blocks are interleaved, so that each block's
 * sum stays in one lane. After each beta, e is multiplied by the factor; one pass over e computes four betas. `owner` has each
 * block's class; it is 0 if block i is class i. `sums` has space for the sums of all blocks at four betas and, with an owner, for
 * the sums of the classes after them. z has a multiple of 4 numbers, which are minus infinity after the classes.
 *
 * Writes to lower[i] and upper[i] (with space for a multiple of four) the interval of alphas >= 0 for which z + alpha sums is largest
 * at `label`, in one pass over the classes, each of which bounds the interval from one side. Of equal scores, the lowest class wins.
 * If there is no such alpha, lower is above upper.
 */
export function intervals(
  e: usize,
  factor: usize,
  groups: i32,
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
  const width: usize = usize(size) << 4;
  const totals: usize = usize(groups) << 4;
  for (let i: usize = 0; i < usize(count) << 2; i += 16) {
    let at: usize = 0;
    for (let group: usize = 0; group < totals; group += 16) {
      let first = f32x4.splat(0);
      let second = f32x4.splat(0);
      let third = f32x4.splat(0);
      let fourth = f32x4.splat(0);
      for (const end = at + width; at < end; at += 16) {
        const fading = v128.load(factor + at);
        let votes = v128.load(e + at);
        first = f32x4.add(first, votes);
        votes = f32x4.mul(votes, fading);
        second = f32x4.add(second, votes);
        votes = f32x4.mul(votes, fading);
        third = f32x4.add(third, votes);
        votes = f32x4.mul(votes, fading);
        fourth = f32x4.add(fourth, votes);
        v128.store(e + at, f32x4.mul(votes, fading));
      }
      v128.store(sums + group, first);
      v128.store(sums + totals + group, second);
      v128.store(sums + 2 * totals + group, third);
      v128.store(sums + 3 * totals + group, fourth);
    }
    for (let k: usize = 0; k < 4; k++) {
      let own = sums + k * totals;
      if (owner) own = byClass(own, groups << 2, owner, sums + 4 * totals, classes);
      cut(z, own, classes, label, lower + i + (k << 2), upper + i + (k << 2));
    }
  }
}

/** Adds up the sums of each class's blocks. */
function byClass(blocks: usize, count: i32, owner: usize, sums: usize, classes: i32): usize {
  memory.fill(sums, 0, usize(classes) << 2);
  for (let block: usize = 0; block < usize(count) << 2; block += 4) {
    const place = sums + (usize(load<i32>(owner + block)) << 2);
    store<f32>(place, load<f32>(place) + load<f32>(blocks + block));
  }
  return sums;
}

/** The interval of one query at one beta. */
function cut(z: usize, sums: usize, classes: i32, label: i32, lower: usize, upper: usize): void {
  const own = usize(label) << 2;
  const ownText = load<f32>(z + own);
  const ownSum = load<f32>(sums + own);
  const texts = f32x4.splat(ownText);
  const votes = f32x4.splat(ownSum);
  const zero = f32x4.splat(0);
  let lows = zero;
  let highs = f32x4.splat(Infinity);
  let odd = zero;
  // The label is skipped, because it would tie with itself.
  store<f32>(z + own, -Infinity);
  for (let c: usize = 0; c < usize(classes) << 2; c += 16) {
    const d = f32x4.sub(texts, v128.load(z + c));
    const s = f32x4.sub(votes, v128.load(sums + c));
    const end = f32x4.neg(f32x4.div(d, s));
    // A class with fewer votes bounds alpha from below, and one with more votes from above. Otherwise the masks leave 0, or NaN.
    lows = f32x4.pmax(lows, v128.and(end, f32x4.gt(s, zero)));
    highs = f32x4.pmin(highs, v128.or(end, f32x4.ge(s, zero)));
    odd = v128.or(odd, f32x4.eq(f32x4.mul(d, s), zero));
  }
  store<f32>(z + own, ownText);
  let low = max(
    max(f32x4.extract_lane(lows, 0), f32x4.extract_lane(lows, 1)),
    max(f32x4.extract_lane(lows, 2), f32x4.extract_lane(lows, 3)),
  );
  let high = min(
    min(f32x4.extract_lane(highs, 0), f32x4.extract_lane(highs, 1)),
    min(f32x4.extract_lane(highs, 2), f32x4.extract_lane(highs, 3)),
  );
  if (v128.any_true(odd)) {
    for (let k = 0; k < classes; k++) {
      if (k == label) continue;
      const d = ownText - load<f32>(z + (usize(k) << 2));
      const s = ownSum - load<f32>(sums + (usize(k) << 2));
      // At alpha = 0, a tie goes to the lower class. For a higher label, an alpha slightly above 0 suffices.
      const late = d == 0 && k < label;
      if (s > 0 && late) low = max(low, f32.MIN_NORMAL_VALUE);
      if (s < 0 && late) high = -1;
      if (s == 0 && (d < 0 || late)) high = -1;
    }
  }
  store<f32>(lower, low);
  store<f32>(upper, high);
}

/** Number of values that `moments` writes for each row. */
const MOMENTS = 9;

/**
 * For each row of z and s [rows, classes], the values from which the cross-entropy of softmax(a z + b s) and its derivatives follow.
 * All are relative to the row's own class: the largest logit, and the sum of exponentials relative to it; the means of z and s under
 * the softmax, and over all classes; the variance of z, the covariance, and the variance of s under the softmax. `w` has space for a
 * row. Up to three numbers after z, s and w are read.
 */
export function moments(
  z: usize,
  s: usize,
  labels: usize,
  rows: i32,
  classes: i32,
  a: f32,
  b: f32,
  w: usize,
  out: usize,
): void {
  const width = usize(classes) << 2;
  const as = f32x4.splat(a);
  const bs = f32x4.splat(b);
  for (let row = 0; row < rows; row++, z += width, s += width, out += MOMENTS << 2) {
    const own = usize(load<i32>(labels + (usize(row) << 2))) << 2;
    const ownZ = v128.load32_splat(z + own);
    const ownS = v128.load32_splat(s + own);
    let tops = f32x4.splat(0);
    let allZ = f32x4.splat(0);
    let allS = f32x4.splat(0);
    for (let c: usize = 0; c < width; c += 16) {
      const there = inside(c, width);
      const dz = v128.and(f32x4.sub(v128.load(z + c), ownZ), there);
      const ds = v128.and(f32x4.sub(v128.load(s + c), ownS), there);
      const logits = f32x4.add(f32x4.mul(as, dz), f32x4.mul(bs, ds));
      tops = f32x4.pmax(tops, logits);
      allZ = f32x4.add(allZ, dz);
      allS = f32x4.add(allS, ds);
      v128.store(w + c, logits);
    }
    const top = max(
      max(f32x4.extract_lane(tops, 0), f32x4.extract_lane(tops, 1)),
      max(f32x4.extract_lane(tops, 2), f32x4.extract_lane(tops, 3)),
    );
    const below = f32x4.splat(top);
    let totals = f32x4.splat(0);
    let sumZ = f32x4.splat(0);
    let sumS = f32x4.splat(0);
    for (let c: usize = 0; c < width; c += 16) {
      const there = inside(c, width);
      const weights = v128.and(exponential(f32x4.sub(v128.load(w + c), below)), there);
      totals = f32x4.add(totals, weights);
      sumZ = f32x4.add(sumZ, f32x4.mul(weights, v128.and(f32x4.sub(v128.load(z + c), ownZ), there)));
      sumS = f32x4.add(sumS, f32x4.mul(weights, v128.and(f32x4.sub(v128.load(s + c), ownS), there)));
      v128.store(w + c, weights);
    }
    const total = lanes(totals);
    const meanZ = lanes(sumZ) / total;
    const meanS = lanes(sumS) / total;
    // Variances are computed about the means in a second pass, because the difference of large squares would lose all digits.
    const centreZ = f32x4.add(ownZ, f32x4.splat(meanZ));
    const centreS = f32x4.add(ownS, f32x4.splat(meanS));
    let zz = f32x4.splat(0);
    let zs = f32x4.splat(0);
    let ss = f32x4.splat(0);
    for (let c: usize = 0; c < width; c += 16) {
      const there = inside(c, width);
      const weights = v128.load(w + c);
      const dz = v128.and(f32x4.sub(v128.load(z + c), centreZ), there);
      const ds = v128.and(f32x4.sub(v128.load(s + c), centreS), there);
      const wz = f32x4.mul(weights, dz);
      zz = f32x4.add(zz, f32x4.mul(wz, dz));
      zs = f32x4.add(zs, f32x4.mul(wz, ds));
      ss = f32x4.add(ss, f32x4.mul(f32x4.mul(weights, ds), ds));
    }
    store<f32>(out, top);
    store<f32>(out + 4, total);
    store<f32>(out + 8, meanZ);
    store<f32>(out + 12, meanS);
    store<f32>(out + 16, lanes(allZ) / f32(classes));
    store<f32>(out + 20, lanes(allS) / f32(classes));
    store<f32>(out + 24, lanes(zz) / total);
    store<f32>(out + 28, lanes(zs) / total);
    store<f32>(out + 32, lanes(ss) / total);
  }
}

/** A mask with ones in those of the four lanes at byte `at` that are before byte `end`. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function inside(at: usize, end: usize): v128 {
  return i32x4.gt_s(i32x4.splat(i32(end - at) >> 2), i32x4(0, 1, 2, 3));
}

/** to[i] = exp(scale (from[i] - 1)) for `count` numbers, a multiple of 4; relative error below 3e-7, 0 below exp(-87). */
export function votesOf(from: usize, to: usize, count: i32, scale: f32): void {
  const scales = f32x4.splat(scale);
  const one = f32x4.splat(1);
  for (let i: usize = 0; i < usize(count) << 2; i += 16) {
    v128.store(to + i, exponential(f32x4.mul(scales, f32x4.sub(v128.load(from + i), one))));
  }
}
