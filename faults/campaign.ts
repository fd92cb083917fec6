import type { Random } from '../src/math/random.ts';

/**
 * What can become of a mutant. `named error`: a `TipAdapterError` said what is wrong. `right`: the answer is the one that the
 * mutant asks for. Everything else is a fault of the program.
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

/** The outcomes of which there must be none. */
export const FAULTS: readonly Outcome[] = OUTCOMES.slice(2);

/** Mutants of one kind of input. A module of this folder exports it as `campaign`; worker processes load the module. */
export interface Campaign {
  readonly title: string;
  /** Seconds that one mutant may take. */
  readonly seconds: number;
  /** Resident memory that a worker process and its children may have, in MiB. */
  readonly megabytes: number;
  /** Makes the originals, once, in an empty folder; the workers only read it. */
  prepare(folder: string): Promise<void>;
  /** Runs in each worker. `scratch` is an empty folder of the worker's own, kept for a mutant that is run alone. */
  open(folder: string, scratch: string): Promise<Examine>;
}

/**
 * Makes the mutant that `random` decides and does with it what the program does with such an input. Returns where the answer is
 * right, throws an `AssertionError` (`node:assert`) where it is wrong, and lets the program's own errors pass.
 */
export type Examine = (random: Random) => Promise<void>;
