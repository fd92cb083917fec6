import { z } from 'zod';
import type { RowSums } from '../classifier/row-sum.ts';
import { ModelError } from '../errors.ts';
import { matrixOf } from '../math/matrix.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import type { Summary } from '../methods/summary.ts';
import { summaryOf, summaryTensors } from '../methods/summary-file.ts';
import { encodeSafetensors, parseSafetensors } from '../store/safetensors.ts';

const FORMAT = 'tip-adapter-sums/1';

/** A shard's result: the summary of its rows, the rows that are left out of it, and the splits of both. */
export interface ShardSums extends Pick<RowSums, 'left'> {
  readonly summary: Summary;
  readonly splits: readonly string[];
}

/** A shard's result as the bytes of a safetensors file. */
export function encodeShardSums({ summary, left, splits }: ShardSums): Uint8Array {
  const { rows, labels } = left;
  const tensors: Record<string, Tensor> = {
    ...summaryTensors(summary),
    'left.rows': floatTensor([rows.rows, rows.cols], rows.data),
    'left.labels': { dtype: 'int32', shape: [labels.length], data: labels },
  };
  const origin = JSON.stringify(summary.origin);
  return encodeSafetensors(tensors, { format: FORMAT, origin, splits: JSON.stringify(splits) });
}

/**
 * The result in the bytes of a file, for features of so many numbers and classes. Throws `ModelError` `summary/file` that names it if they
 * hold none.
 */
export function decodeShardSums(
  bytes: Uint8Array,
  path: string,
  { dimension, classes }: { readonly dimension: number; readonly classes: number },
): ShardSums {
  const { tensors, metadata } = safetensorsIn(bytes, path);
  const { 'left.rows': rows, 'left.labels': labels, ...rest } = Object.fromEntries(tensors);
  const splits = splitsIn(metadata.splits);
  if (
    metadata.format !== FORMAT ||
    rows?.dtype !== 'float32' ||
    rows.shape.length !== 2 ||
    rows.shape[1] !== dimension ||
    !(rows.data as Float32Array).every(Number.isFinite) ||
    labels?.dtype !== 'int32' ||
    labels.data.length !== rows.shape[0] ||
    !(labels.data as Int32Array).every((label) => label >= 0 && label < classes) ||
    !splits
  )
    throw noSums(path);
  const summary = summaryOf(new Map(Object.entries(rest)), metadata.origin, path);
  return { summary, left: { rows: matrixOf(rows), labels: labels.data as Int32Array }, splits };
}

function safetensorsIn(bytes: Uint8Array, path: string) {
  try {
    return parseSafetensors(bytes, path);
  } catch (error) {
    throw noSums(path, error as Error);
  }
}

function noSums(path: string, cause?: Error): ModelError {
  return new ModelError(`${path} does not hold the sums of a shard`, {
    code: 'summary/file',
    hint: 'Remove the file and run the same command again, which makes only this file anew.',
    details: { path },
    cause,
  });
}

function splitsIn(text = ''): string[] | undefined {
  try {
    return z.array(z.string()).parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
