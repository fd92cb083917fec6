import { exp, mul, sub } from '../graph/elementwise.ts';
import { type Expr, input } from '../graph/expression.ts';
import { reshape, slice, transpose } from '../graph/layout.ts';
import { gemm, matmul, unit } from '../graph/products.ts';
import { sum } from '../graph/reduce.ts';
import { type Matrix, matrix, matrixOf, row } from '../math/matrix.ts';
import { floatTensor, ofRank, type Tensor } from '../math/tensor.ts';
import { type CacheTensors, cacheOrder, cacheTensors } from './cache.ts';
import type { Task } from './task.ts';

/** Keys of a chunk. A chunk is large enough for a product at full speed, and small enough to stay in a core's cache until it is updated. */
const CHUNK_KEYS = 400;

/** Cuts the cache into equal chunks of whole blocks. The last chunk is filled up with blocks whose values are zero. */
export function cacheInBlocks(keys: Matrix, { support, classes, dimension }: Task) {
  const { keys: placed, logValues, blockClass } = cacheTensors(keys, support.labels, classes);
  const [blocks, size] = ofRank(logValues.shape, 2);
  const wanted = Math.min(blocks, Math.max(1, CHUNK_KEYS / size));
  // A chunk has a multiple of four blocks, because the optimiser's kernel takes four numbers at once and a row may have any width.
  const perChunk = Math.ceil(wanted / 4) * 4;
  const count = Math.ceil(blocks / perChunk) * perChunk;
  const filled = (data: Float32Array, length: number, value: number) => {
    const out = new Float32Array(length).fill(value);
    out.set(data);
    return out;
  };
  const cache: CacheTensors = {
    keys: floatTensor(
      [count * size, dimension],
      filled(placed.data as Float32Array, count * size * dimension, 0),
    ),
    logValues: floatTensor([count, size], filled(logValues.data as Float32Array, count * size, -1e4)),
    blockClass,
  };
  const result = input('blockSums', [count, 'b']);
  const perBlock = transpose(slice(result, 0, 0, blocks), [1, 0]);
  const classSums = blockClass ? matmul(perBlock, input('blockClass', blockClass.shape)) : perBlock;
  const chunk = {
    keys: input('keys', [perChunk * size, dimension]),
    logValues: input('logValues', [perChunk, size]),
    beta: input('beta', []),
  };
  const partial = blockSums(input('f', ['b', dimension]), chunk);
  return {
    cache,
    inputs: { classSums },
    blocks: { count, perChunk, sliced: ['keys', 'logValues'], partial, result: 'blockSums' },
  };
}

/** Sums of the affinities over the keys of each block, [blocks, b]. In this transposed layout no product rearranges a matrix. */
function blockSums(f: Expr, { keys, logValues, beta }: { keys: Expr; logValues: Expr; beta: Expr }): Expr {
  const [blocks, size] = ofRank(logValues.shape, 2);
  const bias = reshape(sub(logValues, beta), [keys.shape[0]!, 1]);
  const votes = gemm(keys, mul(unit(f), beta), { transposeB: true, bias }); // [blocks * size, b]
  return sum(exp(reshape(votes, [blocks, size, f.shape[0]!])), [1]);
}

/** Keys in cache order, [places, d], rearranged into the order of the examples, [n, d]. */
export function byExample(keys: Tensor, { support, classes }: Task): Tensor {
  const placed = matrixOf(keys);
  const out = matrix(support.labels.length, placed.cols);
  cacheOrder(support.labels, classes).forEach((example, place) => {
    if (example >= 0) out.data.set(row(placed, place), example * placed.cols);
  });
  return floatTensor([out.rows, out.cols], out.data);
}
