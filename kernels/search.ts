/**
 * One query against a cache at many sharpnesses. `e` holds exp(-beta0 (1 - a)) of its cosines a, `factor` exp(-step (1 - a)), both
 * [blocks * size] with `size` a multiple of 4 and 0 where there is no key; `owner` is each block's class. For each of `count`
 * sharpnesses, e is multiplied by the factor after use. `sums` [classes] is scratch.
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
    let low: f32 = 0;
    let high: f32 = Infinity;
    for (let c = 0; c < classes; c++) {
      if (c == label) continue;
      const d = ownText - load<f32>(z + (usize(c) << 2));
      const s = ownSum - load<f32>(sums + (usize(c) << 2));
      if (s > 0) {
        // A tie at alpha = 0 goes to the lower class: just above it is enough.
        const cut: f32 = d == 0 && c < label ? f32.MIN_NORMAL_VALUE : -d / s;
        if (cut > low) low = cut;
      } else if (s < 0) {
        const cut: f32 = d == 0 && c < label ? -1 : d / -s;
        if (cut < high) high = cut;
      } else if (d < 0 || (d == 0 && c < label)) {
        high = -1;
      }
    }
    store<f32>(lower + (usize(i) << 2), low);
    store<f32>(upper + (usize(i) << 2), high);
  }
}
