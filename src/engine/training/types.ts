import type { Expr } from '../../graph/expression.ts';
import type { Tensor } from '../../math/tensor.ts';
import type { Optimiser } from './optimiser.ts';

/** What is trained, and by what: the loss is an expression, its gradient is derived from it. */
export interface TrainingSpec {
  /** Start values. Each is an input of the loss by its name. */
  readonly parameters: Readonly<Record<string, Tensor>>;
  /** Inputs that stay the same in every step. */
  readonly fixed?: Readonly<Record<string, Tensor>>;
  /** A scalar. */
  readonly loss: Expr;
  /** Other scalars to report from the same pass, before the update. */
  readonly observe?: Readonly<Record<string, Expr>>;
  readonly optimiser: Optimiser;
  readonly blocks?: Blocks;
  /** Continues where another trainer of the same spec was. */
  readonly start?: TrainingState;
}

/**
 * A part of the loss that can be computed block by block. `sliced` inputs are cut along their first axis into `count` equal
 * blocks; `partial` gives the result of one chunk of blocks, [blocks in the chunk, …], from inputs of that chunk's shape; the
 * loss takes the results of all, [count, …], as its input `result`. So a large parameter is multiplied, differentiated and
 * updated piece by piece, each piece while it is in the processor's cache, and its whole gradient never exists.
 */
export interface Blocks {
  readonly count: number;
  readonly perChunk: number;
  readonly sliced: readonly string[];
  readonly partial: Expr;
  readonly result: string;
}

/** The part of a spec that is data, and can be sent to another thread. */
export type TrainingData = Pick<TrainingSpec, 'parameters' | 'fixed' | 'optimiser' | 'start'> & {
  readonly blocks?: Omit<Blocks, 'partial'>;
};

/** What a training step computed: the mean loss of its rows, and the observed scalars by name. */
export interface StepResult {
  /** Before the update. */
  readonly loss: number;
  readonly observed: Readonly<Record<string, number>>;
}

/** Parameters and the optimiser's memory after so many steps. */
export interface TrainingState {
  readonly step: number;
  readonly parameters: Readonly<Record<string, Tensor>>;
  /** `<parameter>.1`, `<parameter>.2`: first and second moments. */
  readonly moments: Readonly<Record<string, Tensor>>;
}

/** Parameters being trained. They live beside the runtime; only batches and losses travel. */
export interface Trainer {
  step(feeds: Readonly<Record<string, Tensor>>, rate: number): Promise<StepResult>;
  read(): Promise<TrainingState>;
  close(): Promise<void>;
}

/** A prepared graph: feeds in, all outputs out. */
export interface Run {
  readonly inputs: readonly string[];
  /** Outputs named in `into` may be written there, which saves the memory of new ones: their shapes must be right. */
  run(
    feeds: Readonly<Record<string, Tensor>>,
    into?: Readonly<Record<string, Tensor>>,
  ): Promise<Readonly<Record<string, Tensor>>>;
  close(): Promise<void>;
}
