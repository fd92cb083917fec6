import {
  integer,
  type Options,
  optional,
  real,
  refuseUnknown,
  resolveOptions,
  type ValuesOf,
} from '../options.ts';

const reject = real({ min: 0, max: 1, help: 'Answer "none of these" below this probability.' });

/** Options of `predict`, besides those of all work. */
export const predictOptions = { reject: optional(reject) };

/** Options of `explain`, besides those of all work. */
export const explainOptions = {
  ...predictOptions,
  examples: optional(integer({ help: 'How many examples to give, those that count most.' })),
};

const WORK = ['signal', 'onProgress'];

/** The values of options that a program gave. Throws `UsageError` for an unknown option and for a value out of range. */
export function checkedOptions<T extends Options>(table: T, given: object): ValuesOf<T> {
  refuseUnknown(given, [...Object.keys(table), ...WORK]);
  return resolveOptions(table, { ...given });
}

/** A rejection threshold, from 0 to 1. Throws `UsageError` for another value. */
export function checkedReject(value: number): number {
  return resolveOptions({ reject }, { reject: value }).reject;
}
