import { sizeOf, type Tensor } from '../../math/tensor.ts';
import { clipCheckpoint, type StoredWeights } from './checkpoint.ts';
import { changeOf, type LowRank } from './low-rank.ts';
import { widened } from './weights.ts';

/**
 * The tensors of a checkpoint, under the names of its file, with trained low-rank changes added to its matrices. Changed tensors are in single
 * precision, because half precision would round small changes away. The others are as they were.
 */
export async function mergedTensors(
  stored: StoredWeights,
  matrices: Readonly<Record<string, Tensor>>,
  how: Pick<LowRank, 'rank' | 'alpha'>,
): Promise<Map<string, Tensor>> {
  const { views } = clipCheckpoint(stored);
  const merged = new Map<string, Tensor>();
  for (const name of stored.shapes.keys()) merged.set(name, await stored.tensor(name));
  for (const [name, { source, shape, part: [index] = [0] }] of views) {
    const change = changeOf(matrices, name.replace(/\.weight$/, ''), how);
    if (!change) continue;
    const { data, ...whole } = widened(merged.get(source)!, source);
    const sum = Float32Array.from(data as Float32Array);
    // A matrix that projects queries, keys and values together holds one part after the other.
    const start = index * sizeOf(shape);
    change.forEach((x, i) => {
      sum[start + i]! += x;
    });
    merged.set(source, { ...whole, data: sum });
  }
  return merged;
}
