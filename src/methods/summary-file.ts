import * as z from 'zod/mini';
import { ModelError } from '../errors.ts';
import { parseJson } from '../json.ts';
import type { Tensor } from '../math/tensor.ts';
import { encodeSafetensors, parseSafetensors } from '../store/safetensors.ts';
import { hasShape, type Sum, type Summary, type Sums } from './summary.ts';

const FORMAT = 'tip-adapter-summary/1';
const ORIGIN = z.object({ method: z.string(), encoder: z.string(), classes: z.array(z.string()) });
const BOUNDS = { depth: 4, values: 1_000_000 };

/** The tensors of sums by the names that they have in files: `summary.sums.counts` and so on. */
export function summaryTensors({ sums, basis }: Sums): Record<string, Tensor> {
  const named = (part: string, tensors: Readonly<Record<string, Tensor>>) =>
    Object.entries(tensors).map(([name, tensor]) => [`summary.${part}.${name}`, tensor] as const);
  return Object.fromEntries([...named('sums', sums), ...named('basis', basis)]);
}

/** A summary as the bytes of a safetensors file, so that parts can be summed up by other processes and merged later. */
export function encodeSummary(summary: Summary): Uint8Array {
  return encodeSafetensors(summaryTensors(summary), {
    format: FORMAT,
    origin: JSON.stringify(summary.origin),
  });
}

/** The summary in the bytes of a file. Throws `ModelError` that names `origin` if they hold none. */
export function decodeSummary(bytes: Uint8Array, origin = 'The file'): Summary {
  const { tensors, metadata } = parseSafetensors(bytes, origin);
  if (metadata.format !== FORMAT) throw noSummary(origin, 'its format');
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
  const refuse = (): never => {
    throw noSummary(origin, 'its origin');
  };
  const { success, data } = ORIGIN.safeParse(parseJson(from ?? '', BOUNDS, refuse));
  if (!success || !hasShape(sums.counts, [data.classes.length])) return refuse();
  return { origin: data, sums, basis };
}

function noSummary(origin: string, what: string): ModelError {
  return new ModelError(`${origin} does not hold a summary: ${what} is not part of one`, {
    code: 'summary/file',
    hint: 'Make the summary of these rows again.',
    details: { origin },
  });
}
