import { mul, where } from '../../graph/elementwise.ts';
import { type Expr, input } from '../../graph/expression.ts';
import { linear } from '../../graph/products.ts';
import { random } from '../../math/random.ts';
import { floatTensor, ofRank, sizeOf, type Tensor } from '../../math/tensor.ts';
import type { Weights } from './transformer.ts';

/**
 * Low-rank changes of the maps to queries, keys and values (Hu et al., ICLR 2022, arXiv 2106.09685): W becomes W + alpha / sqrt(rank) B A.
 * The factor is that of the published code of CLIP-LoRA (Zanella and Ben Ayed, CVPRW 2024, arXiv 2405.18541), where Hu et al. have alpha / rank.
 */
export interface LowRank {
  readonly rank: number;
  readonly alpha: number;
  /** Probability that a number of the map's input is left out of the change in a step, 0 to 1. */
  readonly dropout: number;
  readonly towers: 'both' | 'image' | 'text';
}

type Shapes = ReadonlyMap<string, readonly number[]>;

/** The changed maps, by their names without `.weight`: those to queries, keys and values in every block of the towers. */
export function changedMaps(shapes: Shapes, { towers }: Pick<LowRank, 'towers'>): string[] {
  return [...shapes.keys()].flatMap((name) => {
    const [, map, visual] =
      /^((visual\.)?transformer\.resblocks\.\d+\.attn\.[qkv]_proj)\.weight$/.exec(name) ?? [];
    return map && (towers === 'both' || (towers === 'image') === (visual !== undefined)) ? [map] : [];
  });
}

/** The name of A [rank, in] and of B [out, rank] of a map. */
const down = (map: string) => `${map}.A`;
const up = (map: string) => `${map}.B`;

/** The end of the names of dropout's masks: bool inputs of the shape of a map's input, true where a number is kept. */
const KEPT = '.kept';

/** Weights with low-rank changes, whose matrices are inputs. With dropout, its masks are inputs too (`keptMasks`). */
export function withChanges(weights: Weights, shapes: Shapes, how: LowRank): Weights {
  const { rank, alpha, dropout } = how;
  const maps = new Set(changedMaps(shapes, how));
  const change = (x: Expr, map: string): Expr | undefined => {
    if (!maps.has(map)) return undefined;
    const [out, width] = ofRank(shapes.get(`${map}.weight`)!, 2);
    const kept =
      dropout === 0 ? x : mul(where(input(`${map}${KEPT}`, x.shape, 'bool'), x, 0), 1 / (1 - dropout));
    const inner = linear(kept, input(down(map), [rank, width]));
    return mul(linear(inner, input(up(map), [out, rank])), alpha / Math.sqrt(rank));
  };
  return Object.assign((name: string) => weights(name), { change });
}

/** Start values: A uniform in +-1 / sqrt(in), as PyTorch starts linear layers, and B zero, so that nothing is changed yet. */
export function startMatrices(shapes: Shapes, how: LowRank, seed: number): Record<string, Tensor> {
  const matrices = changedMaps(shapes, how).flatMap((map): [string, Tensor][] => {
    const [out, width] = ofRank(shapes.get(`${map}.weight`)!, 2);
    const { uniform } = random('low-rank', seed, map);
    const numbers = Float32Array.from(
      { length: how.rank * width },
      () => (2 * uniform() - 1) / Math.sqrt(width),
    );
    return [
      [down(map), floatTensor([how.rank, width], numbers)],
      [up(map), floatTensor([out, how.rank], new Float32Array(out * how.rank))],
    ];
  });
  return Object.fromEntries(matrices);
}

/** Dropout's masks for a step: one for each of these inputs that is a mask. `rows` is the number of pictures. */
export function keptMasks(
  inputs: readonly Expr<{ readonly name: string }>[],
  rows: number,
  { dropout }: Pick<LowRank, 'dropout'>,
  ...seed: (string | number)[]
): Record<string, Tensor> {
  const { uniform } = random('dropout', ...seed);
  const masks = inputs.filter(({ attributes }) => attributes.name.endsWith(KEPT));
  return Object.fromEntries(
    masks.map(({ attributes: { name }, shape: stated }): [string, Tensor] => {
      const shape = stated.map((size) => (typeof size === 'number' ? size : rows));
      const data = new Uint8Array(sizeOf(shape));
      for (let i = 0; i < data.length; i++) data[i] = Number(uniform() >= dropout);
      return [name, { dtype: 'bool', shape, data }];
    }),
  );
}

/** The change of a map's weight: alpha / sqrt(rank) B A, [out, in]. Undefined for a map without trained matrices. */
export function changeOf(
  matrices: Readonly<Record<string, Tensor>>,
  map: string,
  { rank, alpha }: Pick<LowRank, 'rank' | 'alpha'>,
): Float64Array | undefined {
  const [a, b] = [matrices[down(map)]?.data, matrices[up(map)]?.data] as Float32Array[];
  if (!a || !b) return undefined;
  const [out, width] = [b.length / rank, a.length / rank];
  return Float64Array.from({ length: out * width }, (_, at) => {
    const [i, j] = [Math.floor(at / width), at % width];
    let sum = 0;
    for (let r = 0; r < rank; r++) sum += b[i * rank + r]! * a[r * width + j]!;
    return (alpha / Math.sqrt(rank)) * sum;
  });
}
