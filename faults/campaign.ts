import type { Random } from '../src/math/random.ts';

/**
 * The outcomes of a mutant. `named error`: the program threw a `TipAdapterError`. `right`: the answer is correct for the mutant. All
 * others are faults of the program.
 */
export const OUTCOMES = [
  'named error',
  'right',
  'wrong',
  'unnamed error',
  'crash',
  'hang',
  'over memory',
] as const;

export type Outcome = (typeof OUTCOMES)[number];

/** The outcomes that must not occur. */
export const FAULTS: readonly Outcome[] = OUTCOMES.slice(2);

/** Mutants of one kind of input. A module of this folder exports it as `campaign`, and worker processes load the module. */
export interface Campaign {
  readonly title: string;
  /** Time limit of a mutant, in seconds. */
  readonly seconds: number;
  /** Limit of the resident memory of a worker process and its children, in MiB. */
  readonly megabytes: number;
  /** Makes the originals once, in an empty folder. The workers only read it. */
  prepare(folder: string): Promise<void>;
  /** Runs in each worker. `scratch` is an empty folder for the worker. It is kept if one mutant is run alone. */
  open(folder: string, scratch: string): Promise<Examine>;
}

/**
 * Makes the mutant that `random` decides and gives it to the program. Returns if the answer is right, throws an `AssertionError`
 * (`node:assert`) if it is wrong, and passes the program's own errors on.
 */
export type Examine = (random: Random) => Promise<void>;
