import * as z from 'zod/mini';
import { ModelError } from '../errors.ts';
import { parseJson } from '../json.ts';
import type { Tensor } from '../math/tensor.ts';
import { encodeSealed, isSealed } from '../store/content-hash.ts';
import { parseSafetensors } from '../store/safetensors.ts';
import { hasShape, type Sum, type Summary, type Sums } from './summary.ts';

const FORMAT = 'tip-adapter-summary/1';
const ORIGIN = z.object({
  method: z.string(),
  encoder: z.string(),
  classes: z.array(z.string()),
  options: z.string(),
});
const ANEW = { code: 'summary/file', hint: 'Remove the file, and make the summary of these rows again.' };
const BOUNDS = { depth: 4, values: 1_000_000 };

/** The tensors of sums by the names that they have in files: `summary.sums.counts` and so on. */
export function summaryTensors({ sums, basis }: Sums): Record<string, Tensor> {
  const named = (part: string, tensors: Readonly<Record<string, Tensor>>) =>
    Object.entries(tensors).map(([name, tensor]) => [`summary.${part}.${name}`, tensor] as const);
  return Object.fromEntries([...named('sums', sums), ...named('basis', basis)]);
}

/** A summary as the bytes of a safetensors file with a checksum, so that parts can be summed up by other processes and merged later. */
export function encodeSummary(summary: Summary): Uint8Array {
  return encodeSealed(summaryTensors(summary), {
    format: FORMAT,
    origin: JSON.stringify(summary.origin),
  });
}

/** The summary in the bytes of a file. Throws `ModelError` that names `origin` if they hold none, or were changed. */
export function decodeSummary(bytes: Uint8Array, origin = 'The file'): Summary {
  const file = parseSafetensors(bytes, origin);
  const { tensors, metadata } = file;
  if (metadata.format !== FORMAT) throw noSummary(origin, 'its format');
  if (!isSealed(file)) throw damaged(origin);
  return summaryOf(tensors, metadata.origin, origin);
}

/** The summary in the tensors of a file and the text of its origin. Throws `ModelError` that names the file if they are none. */
export function summaryOf(
  tensors: ReadonlyMap<string, Tensor>,
  from: string | undefined,
  origin: string,
): Summary {
  const sums: Record<string, Sum> = {};
  const basis: Record<string, Tensor> = {};
  for (const [name, tensor] of tensors) {
    const [, part, own] = /^summary\.(sums|basis)\.(\w+)$/.exec(name) ?? [];
    if (own === undefined || (part === 'sums' && tensor.dtype !== 'float64')) throw noSummary(origin, name);
    if (tensor.data.some((x: number | bigint) => !Number.isFinite(Number(x)))) throw noSummary(origin, name);
    if (part === 'sums') sums[own] = tensor as Sum;
    else basis[own] = tensor;
  }
  if (!sums.counts) throw noSummary(origin, 'its format');
  if (!sums.counts.data.every((n) => Number.isSafeInteger(n) && n >= 0))
    throw noSummary(origin, 'its counts');
  const refuse = (): never => {
    throw noSummary(origin, 'its origin');
  };
  const { success, data } = ORIGIN.safeParse(parseJson(from ?? '', BOUNDS, refuse));
  if (!success || !hasShape(sums.counts, [data.classes.length])) return refuse();
  return { origin: data, sums, basis };
}

function noSummary(origin: string, what: string): ModelError {
  return new ModelError(`${origin} does not hold a summary: ${what} is not part of one`, {
    ...ANEW,
    details: { origin },
  });
}

function damaged(origin: string): ModelError {
  return new ModelError(
    `${origin} is damaged, or was written by an earlier version: it has no checksum that matches its content`,
    { ...ANEW, details: { origin } },
  );
}
