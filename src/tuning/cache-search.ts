import type { Engine } from '../engine/types.ts';
import { equal, exp, mul, sub, where } from '../graph/elementwise.ts';
import { input } from '../graph/expression.ts';
import { reshape } from '../graph/layout.ts';
import { matmul, matmulT } from '../graph/products.ts';
import { sum } from '../graph/reduce.ts';
import { type Matrix, matrix, selectRows, unitRows } from '../math/matrix.ts';
import { floatTensor, ofRank, type Tensor } from '../math/tensor.ts';
import { type CacheTensors, cacheOrder, cacheTensors, layoutCache } from '../methods/cache.ts';
import type { Folds } from '../methods/folds.ts';
import { keysOf, plainRows, type Support, type Task } from '../methods/task.ts';
import type { Affinities } from './alpha-intervals.ts';

/** Rows with known classes that candidates are compared on: left-out examples, or a validation split. */
export interface TuningRows {
  /** Unit rows, [q, d]. */
  readonly queries: Matrix;
  readonly labels: Int32Array;
  /** Fold of each query. Keys of the same fold are hidden from it; -2 hides no key. */
  readonly fold: Int32Array;
  /** Fold in which each support example is hidden; -1 if there is none. */
  readonly keyFold: Int32Array;
}

/** The plain view of every example that is a query of some fold. */
export function tuningRowsOfFolds(support: Support, { query, hidden }: Folds): TuningRows {
  const examples = [...query.keys()].filter((i) => query[i]! >= 0);
  return {
    queries: unitRows(selectRows(plainRows(support), examples)),
    labels: Int32Array.from(examples, (i) => support.labels[i]!),
    fold: Int32Array.from(examples, (i) => query[i]!),
    keyFold: hidden,
  };
}

/** The rows of a validation split. Every key votes. */
export function tuningRowsOfSplit(support: Support, features: Matrix, labels: Int32Array): TuningRows {
  return {
    queries: unitRows(features),
    labels,
    fold: new Int32Array(labels.length).fill(-2),
    keyFold: new Int32Array(support.labels.length).fill(-1),
  };
}

/** Zero-shot logits of the tuning rows, [q, c], or undefined without a text head. */
export async function textLogits(
  engine: Engine,
  { head, signal }: Task,
  { queries }: Pick<TuningRows, 'queries'>,
): Promise<Matrix | undefined> {
  if (!head) return undefined;
  const f = input('f', ['q', queries.cols]);
  const weights = input('weights', [head.weights.rows, head.weights.cols]);
  const session = await engine.compile({ logits: mul(matmulT(f, weights), head.logitScale) }, { signal });
  const { logits } = await session.run({ f: asTensor(queries), weights: asTensor(head.weights) }, { signal });
  await session.close();
  return matrix(queries.rows, head.weights.rows, logits.data as Float32Array);
}

/** Class sums of the cache for all tuning rows, [q, c], at a given sharpness. */
export type ClassSumsAt = (beta: number) => Promise<Matrix>;

/** Size of a chunk of affinities that is sent to the engine at a time, in numbers. */
const CHUNK_NUMBERS = 1 << 24;

/**
 * Computes the cosines of the tuning rows and the keys once. Class sums for any beta then need one pass of exp. The keys are those of the
 * examples or, if `cache` is given, trained ones.
 */
export async function prepareClassSums(
  engine: Engine,
  { support, classes, signal }: Task,
  { queries, fold, keyFold }: TuningRows,
  tensors: CacheTensors = cacheTensors(keysOf(support), support.labels, classes),
): Promise<{ at: ClassSumsAt; affinities: Affinities; close(): Promise<void> }> {
  const order = cacheOrder(support.labels, classes);
  const [n, d] = ofRank(tensors.keys.shape, 2);
  const [blocks, size] = ofRank(tensors.logValues.shape, 2);
  const placeFold = Float32Array.from(order, (example) => (example < 0 ? -3 : keyFold[example]!));

  const f = input('f', ['q', d]);
  const hidden = equal(input('fold', ['q', 1]), input('placeFold', [1, n]));
  // A hidden key and a padding key get a cosine so low that their votes are zero at any beta.
  const absent = input('absent', [1, n]);
  const cosines = where(hidden, -1e4, sub(matmulT(f, input('keys', [n, d])), absent));
  const product = await engine.compile({ cosines }, { signal });
  const kept = {
    keys: tensors.keys,
    placeFold: floatTensor([1, n], placeFold),
    absent: floatTensor(
      [1, n],
      (tensors.logValues.data as Float32Array).map((v) => -v),
    ),
  };
  await product.keep(kept, { signal });
  const chunk = Math.max(1, Math.floor(CHUNK_NUMBERS / n));
  const parts: Tensor[] = [];
  for (let start = 0; start < queries.rows; start += chunk) {
    const end = Math.min(start + chunk, queries.rows);
    const results = await product.run(
      {
        f: floatTensor([end - start, d], queries.data.subarray(start * d, end * d)),
        fold: floatTensor([end - start, 1], Float32Array.from(fold.subarray(start, end))),
      },
      { signal },
    );
    parts.push(results.cosines);
  }
  await product.close();

  const votes = exp(mul(sub(input('cosines', ['q', n]), 1), input('beta', [])));
  const perBlock = sum(reshape(votes, ['q', blocks, size]), [2]);
  const sums = tensors.blockClass ? matmul(perBlock, input('blockClass', [blocks, classes])) : perBlock;
  const summing = await engine.compile({ sums }, { signal });
  if (tensors.blockClass) await summing.keep({ blockClass: tensors.blockClass }, { signal });
  // A single chunk is kept beside the model. Keeping several would hold all affinities twice.
  if (parts.length === 1) await summing.keep({ cosines: parts[0]! }, { signal });

  return {
    affinities: {
      parts: parts.map(({ data }) => data as Float32Array),
      blocks,
      size,
      owner:
        layoutCache(support.labels, classes).classOfBlock ?? Int32Array.from({ length: blocks }, (_, c) => c),
    },
    at: async (beta) => {
      const out = matrix(queries.rows, classes);
      let at = 0;
      for (const cosines of parts) {
        const feeds = {
          beta: floatTensor([], Float32Array.of(beta)),
          ...(parts.length > 1 ? { cosines } : {}),
        };
        const { sums: part } = await summing.run(feeds, { signal });
        out.data.set(part.data as Float32Array, at);
        at += part.data.length;
      }
      return out;
    },
    close: () => summing.close(),
  };
}

function asTensor({ rows, cols, data }: Matrix): Tensor {
  return floatTensor([rows, cols], data);
}
