const COARSE = 8;
const FINE = 5;
const RATIO = (Math.sqrt(5) - 1) / 2;

/**
 * Searches the minimum of f between `low` and `high`: first on a grid of eight points, then by golden sections (Kiefer, Proc. AMS 1953) in
 * the two cells beside the best point. f records the points and their values for its caller.
 */
export async function goldenSearch(
  f: (x: number) => Promise<number>,
  low: number,
  high: number,
): Promise<void> {
  const step = (high - low) / (COARSE - 1);
  const grid: number[] = [];
  for (let i = 0; i < COARSE; i++) grid.push(await f(low + i * step));
  const best = grid.indexOf(Math.min(...grid));
  let left = low + Math.max(0, best - 1) * step;
  let right = low + Math.min(COARSE - 1, best + 1) * step;
  let [x1, x2] = [right - RATIO * (right - left), left + RATIO * (right - left)];
  let [y1, y2] = [await f(x1), await f(x2)];
  for (let i = 0; i < FINE; i++) {
    if (y1 < y2) {
      [right, x2, y2] = [x2, x1, y1];
      x1 = right - RATIO * (right - left);
      y1 = await f(x1);
    } else {
      [left, x1, y1] = [x1, x2, y2];
      x2 = left + RATIO * (right - left);
      y2 = await f(x2);
    }
  }
}
