import { floatTensor, ofRank, type Tensor } from '../../math/tensor.ts';

/** The positions of patches on a grid. */

/** How learnt positions are resampled to another grid: PyTorch's bicubic `interpolate`, with or without `antialias`. */
export type Resampling = 'bicubic' | 'bicubic-antialias';

/** Learnt positions [side^2, w] of a grid, resampled to another side: [to^2, w]. */
export function resampled(positions: Tensor, side: number, to: number, how: Resampling): Tensor {
  if (side === to) return positions;
  const [, width] = ofRank(positions.shape, 2);
  const taps = how === 'bicubic' ? interpolated(side, to) : antialiased(side, to);
  // Rows of the grid, then columns.
  const across = alongAxis(Float64Array.from(positions.data as Float32Array), taps, {
    before: 1,
    size: side,
    after: side * width,
  });
  const both = alongAxis(across, taps, { before: to, size: side, after: width });
  return floatTensor([to * to, width], Float32Array.from(both));
}

/** Source places and their weights, for each place of the result. */
type Taps = readonly (readonly (readonly [place: number, weight: number])[])[];

function alongAxis(
  data: Float64Array,
  taps: Taps,
  { before, size, after }: { before: number; size: number; after: number },
): Float64Array {
  const out = new Float64Array(before * taps.length * after);
  for (let b = 0; b < before; b++)
    taps.forEach((list, i) => {
      for (const [place, weight] of list)
        for (let a = 0; a < after; a++)
          out[(b * taps.length + i) * after + a]! += weight * data[(b * size + place) * after + a]!;
    });
  return out;
}

/** Keys's cubic kernel (IEEE Trans. ASSP 29, 1981) with the parameter a. */
function cubic(x: number, a: number): number {
  const t = Math.abs(x);
  if (t < 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  return t < 2 ? (((t - 5) * t + 8) * t - 4) * a : 0;
}

/** Four neighbours with a = -0.75; those outside of the grid are its edge. */
function interpolated(from: number, to: number): Taps {
  return Array.from({ length: to }, (_, i) => {
    const centre = ((i + 0.5) * from) / to - 0.5;
    const first = Math.floor(centre);
    return [-1, 0, 1, 2].map((k) => {
      const place = Math.min(from - 1, Math.max(0, first + k));
      return [place, cubic(centre - first - k, -0.75)] as const;
    });
  });
}

/** As Pillow: a = -0.5, with a kernel that is as wide as the step if the grid becomes smaller, and weights that add up to 1. */
function antialiased(from: number, to: number): Taps {
  const step = from / to;
  const wide = Math.max(step, 1);
  return Array.from({ length: to }, (_, i) => {
    const centre = step * (i + 0.5);
    const first = Math.max(0, Math.floor(centre - 2 * wide + 0.5));
    const end = Math.min(from, Math.floor(centre + 2 * wide + 0.5));
    const weights = Array.from({ length: end - first }, (_, k) =>
      cubic((first + k - centre + 0.5) / wide, -0.5),
    );
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return weights.map((weight, k) => [first + k, weight / total] as const);
  });
}

/**
 * Cosines and sines [prefix + side^2, 1, d] of DINOv3's rotary positions (Siméoni et al. 2025, arXiv 2508.10104, section 3.2), d numbers a
 * head: the angle of a patch is 2 pi c theta^(-4k/d), where c is the centre of the patch between -1 and 1, of its row for the first d/4
 * angles and of its column for the next; both halves of a head have the same angles. The first `prefix` tokens are not rotated.
 */
export function rotary(side: number, d: number, theta: number, prefix: number): { cos: Tensor; sin: Tensor } {
  const tokens = prefix + side * side;
  const cos = new Float32Array(tokens * d).fill(1, 0, prefix * d);
  const sin = new Float32Array(tokens * d);
  const centre = (i: number) => Math.fround((2 * (i + 0.5)) / side - 1);
  for (let p = 0; p < side * side; p++)
    for (let j = 0; j < d; j++) {
      const k = j % (d / 4);
      const along = j % (d / 2) < d / 4 ? Math.floor(p / side) : p % side;
      const angle = Math.fround(2 * Math.PI * centre(along) * theta ** ((-4 * k) / d));
      cos[(prefix + p) * d + j] = Math.cos(angle);
      sin[(prefix + p) * d + j] = Math.sin(angle);
    }
  return { cos: floatTensor([tokens, 1, d], cos), sin: floatTensor([tokens, 1, d], sin) };
}
