import { add, mul, neg } from '../../graph/elementwise.ts';
import { constant, type Expr } from '../../graph/expression.ts';
import { concat, reshape, slice } from '../../graph/layout.ts';
import { floatTensor, ofRank, type Tensor } from '../../math/tensor.ts';
import type { BlockShape } from './transformer.ts';

/** Places of patches for rotary positions. */
export interface RotaryPlaces {
  /** The number of patches along a side of the picture. */
  readonly side: number;
  /** The number of tokens in front of the patches, which are not turned. */
  readonly prefix: number;
  /** The number of patches along a side in which places are counted, whatever the size of the picture. */
  readonly grid: number;
  /** The place of the first patch, in patches of the picture. */
  readonly offset: number;
  /** Whether the first half of the pairs is turned by the patch's row or by its column. The other half is turned by the other one. */
  readonly first: 'row' | 'column';
}

/** Rotates queries or keys [n, t, w] by the places of their tokens: of each pair of neighbours (a, b) to (a cos - b sin, b cos + a sin). */
export function rotation(
  { width, heads }: { width: number } & Pick<BlockShape, 'heads'>,
  places: RotaryPlaces,
): (x: Expr) => Expr {
  const d = width / heads;
  const { cos, sin } = rotary(d, places);
  return (x) => {
    const [n, t] = ofRank(x.shape, 3);
    const pairs = reshape(x, [n, t, heads, d / 2, 2]);
    const turned = concat([neg(slice(pairs, 4, 1, 2)), slice(pairs, 4, 0, 1)], 4);
    return reshape(add(mul(pairs, constant(cos)), mul(turned, constant(sin))), [n, t, width]);
  };
}

/**
 * Cosines and sines [prefix + side^2, 1, d / 2, 2] of two-dimensional rotary positions: pair k of a head is turned by c 10000^(-4k/d), where c is
 * the patch's row or column, counted from 0 to `grid`.
 */
function rotary(
  d: number,
  { side, prefix, grid, offset, first }: RotaryPlaces,
): { cos: Tensor; sin: Tensor } {
  const tokens = prefix + side * side;
  const cos = new Float32Array(tokens * d).fill(1, 0, prefix * d);
  const sin = new Float32Array(tokens * d);
  const bands = d / 4;
  const place = (i: number) => Math.fround(Math.fround((i + offset) / side) * grid);
  for (let p = 0; p < side * side; p++)
    for (let j = 0; j < d; j++) {
      const pair = j >> 1;
      const along = place(pair < bands === (first === 'row') ? Math.floor(p / side) : p % side);
      const angle = Math.fround(along * Math.fround(10_000 ** (-(pair % bands) / bands)));
      cos[(prefix + p) * d + j] = Math.cos(angle);
      sin[(prefix + p) * d + j] = Math.sin(angle);
    }
  const shape = [tokens, 1, d / 2, 2];
  return { cos: floatTensor(shape, cos), sin: floatTensor(shape, sin) };
}
