import { exp, mul, sub } from '../graph/elementwise.ts';
import { type Expr, input } from '../graph/expression.ts';
import { reshape } from '../graph/layout.ts';
import { linear, matmul, unit } from '../graph/products.ts';
import { sum } from '../graph/reduce.ts';
import { type Matrix, matrix, row } from '../math/matrix.ts';
import { floatTensor, ofRank, type Tensor } from '../math/tensor.ts';
import { isInFile } from './file-rows.ts';
import type { SymbolicState } from './method.ts';
import { countByClass, keysOf, type Task } from './task.ts';

/**
 * The key-value cache (Tip-Adapter, eq. 3-5), laid out for one large matrix product. Keys stand class by class in blocks of
 * one size, so that the sum over a class's examples — the product with the one-hot values — is a plain sum over an axis.
 * Classes with other counts fill several blocks, the last one padded with keys whose value is zero.
 */
export interface CacheLayout {
  /** Keys per block. */
  readonly size: number;
  readonly blocks: number;
  /** Example at each place, -1 for padding, [blocks * size]. */
  readonly order: Int32Array;
  /** Class of each block, [blocks]; undefined where block i is class i. */
  readonly classOfBlock?: Int32Array;
}

/** Chooses the block size that makes the work smallest: rows of keys to multiply, and blocks to add up. */
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

/** A padding key's share is exp(this) = 0. */
const ABSENT = -1e4;

/**
 * The tensors a cache is run with: `keys` [blocks * size, d], `logValues` [blocks, size] (log of each key's value: 0 for an
 * example, minus infinity in effect for padding) and, where classes differ in size, `blockClass` [blocks, c], one-hot.
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

/** What the examples' cache is run with: tensors, or nothing where something else answers for the keys: their file, or the caller. */
export function cacheState({ support, classes, cache }: Task): Partial<CacheTensors> {
  return cache || isInFile(support.features) ? {} : cacheTensors(keysOf(support), support.labels, classes);
}

/** Example at each place of a prepared cache, -1 for padding. */
export function cacheOrder(labels: ArrayLike<number>, classes: number): Int32Array {
  return layoutCache(labels, classes).order;
}

/** What answers for the keys of a cache in their place, [m, n] and [m, c]. */
export type FedCache = { readonly affinities: Expr; readonly classSums: Expr };

/** What a cache is asked by: its keys, or what something else answers for them. */
export type CacheState = SymbolicState<Partial<CacheTensors> & { beta: number }> & Partial<FedCache>;

/** A cache whose keys are not in the graph: what it answers is fed. */
export function fedCache({ support, classes }: Task): FedCache {
  return {
    affinities: input('affinities', ['m', support.labels.length]),
    classSums: input('classSums', ['m', classes]),
  };
}

/** Values of the keys: exp(-beta (1 - cosine)), [m, n] (eq. 3, with the one-hot value's class left to the block). */
export function affinities(f: Expr, { keys, logValues, beta, affinities: fed }: CacheState): Expr {
  if (fed) return fed;
  // beta is folded into the few query rows, -beta and the values into the product's bias: no pass over [m, n] but exp.
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
