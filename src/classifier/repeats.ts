import type { Abortable } from '../abort.ts';
import {
  duplicateFindings,
  exactDuplicates,
  groupDuplicates,
  nearDuplicates,
} from '../dataset/duplicates.ts';
import type { Dataset, Example, Finding } from '../dataset/types.ts';
import type { EncodedImages } from '../encoder/encode.ts';
import { sharedEngine } from '../engine/node.ts';
import { input } from '../graph/expression.ts';
import { matmulT } from '../graph/products.ts';
import { type Matrix, matrix, selectRows, unitRows } from '../math/matrix.ts';
import { floatTensor } from '../math/tensor.ts';

/**
 * Finds the same and nearly the same pictures among encoded examples and puts them, and whatever the data set grouped, into
 * groups that no fold parts. Returns the group number of each example and what to tell the person.
 */
export async function findRepeats(
  dataset: Dataset,
  examples: readonly Example[],
  { features, rows, hashes }: EncodedImages,
  { signal }: Abortable = {},
): Promise<{ groups: Int32Array; findings: Finding[] }> {
  const labels = Int32Array.from(examples, (example) => example.label);
  const plain = rows.flatMap(({ view }, r) => (view === 0 ? [r] : []));
  const { product, close } = await engineProduct(signal);
  const near = await nearDuplicates(unitRows(selectRows(features, plain)), {
    labels,
    product,
    signal,
  }).finally(close);
  const same = exactDuplicates(hashes, labels);
  const seen = { ...dataset, examples: [...examples] };
  const grouped = groupDuplicates(seen, [...same.groups, ...near.groups]);
  const numbers = new Map<string, number>();
  const groups = Int32Array.from(grouped.examples, ({ group }, i) => {
    const key = group === undefined ? `example ${i}` : `group ${group}`;
    if (!numbers.has(key)) numbers.set(key, numbers.size);
    return numbers.get(key) as number;
  });
  return { groups, findings: duplicateFindings(seen, near) };
}

/** a b^T on the engine, for any sizes. */
async function engineProduct(signal?: AbortSignal): Promise<{
  product(a: Matrix, b: Matrix): Promise<Matrix>;
  close(): Promise<void>;
}> {
  const session = await sharedEngine().compile({
    product: matmulT(input('a', ['n', 'd']), input('b', ['m', 'd'])),
  });
  const tensor = ({ rows, cols, data }: Matrix) => floatTensor([rows, cols], data);
  return {
    product: async (a, b) => {
      const results = await session.run({ a: tensor(a), b: tensor(b) }, { signal });
      return matrix(a.rows, b.rows, results.product.data as Float32Array);
    },
    close: () => session.close(),
  };
}
