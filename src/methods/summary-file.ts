import { ModelError } from '../errors.ts';
import type { Tensor } from '../math/tensor.ts';
import { encodeSafetensors, parseSafetensors } from '../store/safetensors.ts';
import type { Sum, Summary } from './summary.ts';

const FORMAT = 'tip-adapter-summary/1';

/** The tensors of a summary by the names that they have in files: `summary.sums.counts` and so on. */
export function summaryTensors({ sums, basis }: Summary): Record<string, Tensor> {
  const named = (part: string, tensors: Readonly<Record<string, Tensor>>) =>
    Object.entries(tensors).map(([name, tensor]) => [`summary.${part}.${name}`, tensor] as const);
  return Object.fromEntries([...named('sums', sums), ...named('basis', basis)]);
}

/** A summary as the bytes of a safetensors file, so that parts can be summed up by other processes and merged later. */
export function encodeSummary(summary: Summary): Uint8Array {
  return encodeSafetensors(summaryTensors(summary), { format: FORMAT });
}

/** The summary in the bytes of a file. Throws `ModelError` that names `origin` if they hold none. */
export function decodeSummary(bytes: Uint8Array, origin = 'The file'): Summary {
  const { tensors, metadata } = parseSafetensors(bytes, origin);
  const sums: Record<string, Sum> = {};
  const basis: Record<string, Tensor> = {};
  for (const [name, tensor] of tensors) {
    const [, part, own] = /^summary\.(sums|basis)\.(\w+)$/.exec(name) ?? [];
    if (own === undefined || (part === 'sums' && tensor.dtype !== 'float64')) throw noSummary(origin, name);
    if (tensor.data.some((x: number | bigint) => !Number.isFinite(Number(x)))) throw noSummary(origin, name);
    if (part === 'sums') sums[own] = tensor as Sum;
    else basis[own] = tensor;
  }
  if (metadata.format === FORMAT && sums.counts) return { sums, basis };
  throw noSummary(origin, 'its format');
}

function noSummary(origin: string, what: string): ModelError {
  return new ModelError(`${origin} does not hold a summary: ${what} is not one of it`, {
    code: 'summary/file',
    hint: 'Make the summary of these rows again.',
    details: { origin },
  });
}
