import {
  flag,
  integer,
  type Options,
  optional,
  real,
  refuseUnknown,
  resolveOptions,
  type ValuesOf,
} from '../options.ts';

const reject = real({ min: 0, max: 1, help: 'Answer "none of these" below this probability.' });

/** The options of `predict` that have values, for checking. */
export const predictOptions = { reject: optional(reject) };

/** The options of `predict` for pictures that are answered one by one. */
export const answerOptions = {
  ...predictOptions,
  sigmoid: flag({
    help: "Give each class the encoder's own probability, which does not depend on the other classes (SigLIP, zero-shot only).",
  }),
};

/** The options of `explain` that have values, for checking. */
export const explainOptions = {
  ...predictOptions,
  examples: optional(integer({ help: 'Largest number of examples in the explanation, the heaviest first.' })),
};

const WORK = ['signal', 'onProgress'];

/** Returns the checked values of options. Throws `UsageError` for an unknown option and for a value out of range. */
export function checkedOptions<T extends Options>(table: T, given: object): ValuesOf<T> {
  refuseUnknown(given, [...Object.keys(table), ...WORK]);
  return resolveOptions(table, { ...given });
}

/** Returns a rejection threshold between 0 and 1. Throws `UsageError` for another value. */
export function checkedReject(value: number): number {
  return resolveOptions({ reject }, { reject: value }).reject;
}
