import { z } from 'zod';
import type { Abortable } from '../abort.ts';
import type { RowSums } from '../classifier/row-sum.ts';
import { ModelError } from '../errors.ts';
import { matrixOf } from '../math/matrix.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import { rowCount, type Summary, type Sums } from '../methods/summary.ts';
import { summaryOf, summaryTensors } from '../methods/summary-file.ts';
import { sha256 } from '../sha256.ts';
import { encodeSealed, isSealed } from '../store/content-hash.ts';
import { openStore, pathIn } from '../store/open-store.ts';
import { encodeSafetensors, parseSafetensors } from '../store/safetensors.ts';

const FORMAT = 'tip-adapter-sums/1';

/** A shard's result: the summary of its rows, the rows that are left out of it, and the splits of both. */
export interface ShardSums extends Pick<RowSums, 'left'> {
  readonly summary: Summary;
  readonly splits: readonly string[];
}

/** A shard's result as the bytes of a safetensors file with a checksum. */
export function encodeShardSums({ summary, left, splits }: ShardSums): Uint8Array {
  const { rows, labels } = left;
  const tensors: Record<string, Tensor> = {
    ...summaryTensors(summary),
    'left.rows': floatTensor([rows.rows, rows.cols], rows.data),
    'left.labels': { dtype: 'int32', shape: [labels.length], data: labels },
  };
  const origin = JSON.stringify(summary.origin);
  return encodeSealed(tensors, { format: FORMAT, origin, splits: JSON.stringify(splits) });
}

/**
 * The result in the bytes of a file, for features of so many numbers, classes and rows. Undefined if the file is damaged, or was written by an
 * earlier version, whose files have no checksum.
 */
export function decodeShardSums(
  bytes: Uint8Array,
  path: string,
  { dimension, classes, rows: most }: { dimension: number; classes: number; rows: number },
): ShardSums | undefined {
  try {
    const file = parseSafetensors(bytes, path);
    const { tensors, metadata } = file;
    const { 'left.rows': rows, 'left.labels': labels, ...rest } = Object.fromEntries(tensors);
    const splits = splitsIn(metadata.splits);
    if (
      !isSealed(file) ||
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
      return undefined;
    const summary = summaryOf(new Map(Object.entries(rest)), metadata.origin, path);
    if (rowCount(summary) + labels.data.length > most) return undefined;
    return { summary, left: { rows: matrixOf(rows), labels: labels.data as Int32Array }, splits };
  } catch (error) {
    if (error instanceof ModelError) return undefined;
    throw error;
  }
}

function splitsIn(text = ''): string[] | undefined {
  try {
    return z.array(z.string()).parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

const basisKey = (hash: string) => `basis/${hash}.safetensors`;

/** Writes the tensors that rows are compared with into the output. Returns the sha256 (hex) of the file, by which workers find it. */
export async function putBasis(output: string, basis: Sums['basis'], work: Abortable): Promise<string> {
  const bytes = encodeSafetensors(basis);
  const hash = sha256(bytes);
  await openStore(output).put(basisKey(hash), bytes, work);
  return hash;
}

/** The tensors that rows are compared with. Throws `ModelError` `scale/basis` if the file is not the one that was written. */
export async function readBasis(output: string, hash: string, work: Abortable): Promise<Sums['basis']> {
  const path = pathIn(output, basisKey(hash));
  const bytes = await openStore(output).read(basisKey(hash), work);
  if (sha256(bytes) === hash) return Object.fromEntries(parseSafetensors(bytes, path).tensors);
  throw new ModelError(`${path} is damaged: its content does not have the checksum of its name`, {
    code: 'scale/basis',
    hint: 'Run the same command again: it writes the file anew.',
    details: { path },
  });
}
