import { exp, mul, sub } from '../graph/elementwise.ts';
import { type Expr, input } from '../graph/expression.ts';
import { reshape } from '../graph/layout.ts';
import { linear, matmul, unit } from '../graph/products.ts';
import { sum } from '../graph/reduce.ts';
import { type Matrix, matrix, row } from '../math/matrix.ts';
import { floatTensor, ofRank, type Tensor } from '../math/tensor.ts';
import { isInFile } from './file-rows.ts';
import type { State, SymbolicState } from './method.ts';
import { countByClass, keysOf, type Task } from './task.ts';

/**
 * The key-value cache (Tip-Adapter, eq. 3-5), laid out for one large matrix product. Keys are sorted by class in blocks of equal size. The
 * sum over the examples of a class, which is the product with the one-hot values, is then a sum over an axis. If classes have different
 * sizes, a class fills several blocks, and the last one is padded with keys whose value is zero.
 */
export interface CacheLayout {
  /** Keys per block. */
  readonly size: number;
  readonly blocks: number;
  /** The example at each place, or -1 for padding, [blocks * size]. */
  readonly order: Int32Array;
  /** Class of each block, [blocks]. It is undefined if block i is class i. */
  readonly classOfBlock?: Int32Array;
}

/** Chooses the block size with the least work: rows of keys to multiply, and blocks to add up. */
export function layoutCache(labels: ArrayLike<number>, classes: number): CacheLayout {
  const counts = countByClass(labels, classes);
  const members: number[][] = Array.from({ length: classes }, () => []);
  for (let i = 0; i < labels.length; i++) members[labels[i]!]!.push(i);

  const largest = counts.reduce((a, b) => Math.max(a, b), 1);
  const blocksOf = (size: number) => counts.reduce((n, count) => n + Math.ceil(count / size), 0);
  if (counts.every((count) => count === largest)) {
    return { size: largest, blocks: classes, order: Int32Array.from(members.flat()) };
  }
  const candidates = [...new Set(counts)].filter((size) => size > 0);
  const work = (size: number) => blocksOf(size) * (size + 1);
  const size = candidates.reduce(
    (best, candidate) => (work(candidate) < work(best) ? candidate : best),
    largest,
  );
  const blocks = Math.max(blocksOf(size), 1);
  const order = new Int32Array(blocks * size).fill(-1);
  const classOfBlock = new Int32Array(blocks);
  let block = 0;
  members.forEach((examples, label) => {
    for (let start = 0; start < examples.length; start += size) {
      order.set(examples.slice(start, start + size), block * size);
      classOfBlock[block++] = label;
    }
  });
  return { size, blocks, order, classOfBlock };
}

/** The logarithmic value of a padding key. exp of it is exactly 0. */
const ABSENT = -1e4;

/**
 * The tensors of a cache: `keys` [blocks * size, d] and `logValues` [blocks, size], the logarithm of each key's value (0 for an example,
 * -10,000 for padding). If classes differ in size, `blockClass` [blocks, c] is one-hot.
 */
export type CacheTensors = {
  readonly keys: Tensor;
  readonly logValues: Tensor;
  readonly blockClass?: Tensor;
};

/** The tensors of a cache of keys [n, d] and their classes. */
export function cacheTensors(keys: Matrix, labels: ArrayLike<number>, classes: number): CacheTensors {
  const { size, blocks, order, classOfBlock } = layoutCache(labels, classes);
  const placed = matrix(order.length, keys.cols);
  order.forEach((example, place) => {
    if (example >= 0) placed.data.set(row(keys, example), place * keys.cols);
  });
  const tensors = {
    keys: floatTensor([order.length, keys.cols], placed.data),
    logValues: floatTensor(
      [blocks, size],
      Float32Array.from(order, (example) => (example < 0 ? ABSENT : 0)),
    ),
  };
  if (!classOfBlock) return tensors;
  const oneHot = matrix(blocks, classes);
  classOfBlock.forEach((label, block) => {
    oneHot.data[block * classes + label] = 1;
  });
  return { ...tensors, blockClass: floatTensor([blocks, classes], oneHot.data) };
}

/** A state with the tensors of the examples' cache, or without them if the examples' file or the caller computes the votes. */
export function withCache<S extends State>(
  state: S,
  { support, classes, cache }: Task,
): S & Partial<CacheTensors> {
  if (cache || isInFile(support.features)) return state;
  return { ...state, ...cacheTensors(keysOf(support), support.labels, classes) };
}

/** The example at each place of a prepared cache, or -1 for padding. */
export function cacheOrder(labels: ArrayLike<number>, classes: number): Int32Array {
  return layoutCache(labels, classes).order;
}

/** Results that replace the keys of a cache: affinities [m, n] and their sums by class [m, c]. */
export type FedCache = { readonly affinities: Expr; readonly classSums: Expr };

/** The inputs of a cache: its keys, or the results that replace them. */
export type CacheState = SymbolicState<Partial<CacheTensors> & { beta: number }> & Partial<FedCache>;

/** Inputs for a cache whose keys are not in the graph. Its results are fed. */
export function fedCache({ support, classes }: Task): FedCache {
  return {
    affinities: input('affinities', ['m', support.labels.length]),
    classSums: input('classSums', ['m', classes]),
  };
}

/** Affinities exp(-beta (1 - cosine)), [m, n] (eq. 3). The class of a key is that of its block. */
export function affinities(f: Expr, { keys, logValues, beta, affinities: fed }: CacheState): Expr {
  if (fed) return fed;
  // The few query rows are multiplied by beta, and -beta and the logarithmic values are the bias of the product. exp is then the only pass
  // over [m, n].
  const bias = reshape(sub(logValues!, beta), [keys!.shape[0]!]);
  return exp(linear(mul(unit(f), beta), keys!, bias));
}

/** Sum of the affinities over each class's keys, [m, c] (eq. 5: A L). */
export function classSums(f: Expr, state: CacheState): Expr {
  if (state.classSums) return state.classSums;
  const [blocks, size] = ofRank(state.logValues!.shape, 2);
  const perBlock = sum(reshape(affinities(f, state), [f.shape[0]!, blocks, size]), [2]);
  return state.blockClass ? matmul(perBlock, state.blockClass) : perBlock;
}
