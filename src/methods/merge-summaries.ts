import { UsageError } from '../errors.ts';
import { count } from '../words.ts';
import { hasShape, type Sum, type Summary, type SummaryOrigin, type Sums } from './summary.ts';

/**
 * The summary of the rows of both: their sums are added. The order of merging changes the result only by the rounding of float64. Throws
 * `UsageError` that says what differs if they are of different methods, encoders or classes, were made with other options, or have different
 * sums or another basis.
 */
export function mergeSummaries(a: Summary, b: Summary): Summary {
  const differs = originDifference(a.origin, b.origin);
  if (differs !== undefined) throw unlike(differs);
  const [own, others] = [Object.entries(a.sums), Object.keys(b.sums)];
  if (own.length !== others.length || own.some(([name, { shape }]) => !hasShape(b.sums[name], shape))) {
    throw unlike('they have different sums');
  }
  if (!sameBasis(a.basis, b.basis)) throw unlike('their rows were compared with different rows');
  return { origin: a.origin, ...addSums(a, b) };
}

/** The sums of the rows of both, which are of the same sizes. */
export function addSums(a: Sums, b: Sums): Sums {
  const sums = Object.entries(a.sums).map(([name, { shape, data }]): [string, Sum] => {
    const all = data.slice();
    b.sums[name]!.data.forEach((x, i) => {
      all[i]! += x;
    });
    return [name, { dtype: 'float64', shape, data: all }];
  });
  return { sums: Object.fromEntries(sums), basis: a.basis };
}

/** The difference between two origins, in words. Undefined if they are equal. */
function originDifference(a: SummaryOrigin, b: SummaryOrigin): string | undefined {
  if (a.method !== b.method) return `one is of the method ${a.method}, and the other of ${b.method}`;
  if (a.encoder !== b.encoder)
    return `one is of features of the encoder ${a.encoder}, and the other of ${b.encoder}`;
  if (a.options !== b.options)
    return `the sums of one were made with ${a.options}, and those of the other with ${b.options}`;
  const [c, d] = [a.classes.length, b.classes.length];
  if (c !== d) return `one is of ${count(c, 'class', 'classes')}, and the other of ${d}`;
  const at = a.classes.findIndex((name, k) => name !== b.classes[k]);
  return at < 0 ? undefined : `class ${at} is "${a.classes[at]}" in one, and "${b.classes[at]}" in the other`;
}

function sameBasis(a: Sums['basis'], b: Sums['basis']): boolean {
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  return names.every((name) => {
    const [x, y] = [a[name]!, b[name]];
    return hasShape(y, x.shape) && x.data.every((value, i) => value === y!.data[i]);
  });
}

function unlike(why: string): UsageError {
  return new UsageError(`Two summaries cannot be merged: ${why}`, {
    code: 'summary/unlike',
    hint: 'Merge summaries of one method with the same classes, encoder, options and basis.',
  });
}
