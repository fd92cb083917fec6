import type { Expr } from '../../graph/expression.ts';
import type { Tensor } from '../../math/tensor.ts';
import type { Optimiser } from './optimiser.ts';

/** The parameters to train, the optimiser, and the loss as an expression; its gradient is derived from the expression. */
export interface TrainingSpec {
  /** Start values by name. The loss has an input of each name. */
  readonly parameters: Readonly<Record<string, Tensor>>;
  /** Inputs of the loss that are the same in every step. */
  readonly fixed?: Readonly<Record<string, Tensor>>;
  /** The loss, a scalar. */
  readonly loss: Expr;
  /** Other scalars that each step reports, computed before the update. */
  readonly observe?: Readonly<Record<string, Expr>>;
  readonly optimiser: Optimiser;
  readonly blocks?: Blocks;
  /** State of another trainer of the same spec, to continue from. */
  readonly start?: TrainingState;
}

/**
 * A part of the loss that can be computed block by block. `sliced` inputs are cut along their first axis into `count` equal
 * blocks. `partial` computes the result of one chunk of blocks, [blocks in the chunk, …], from inputs of that chunk's shape. The
 * loss takes the results of all blocks, [count, …], as its input `result`. A large parameter is thus multiplied, differentiated and
 * updated in pieces that fit in the processor's cache, and its whole gradient is never in memory.
 */
export interface Blocks {
  readonly count: number;
  readonly perChunk: number;
  readonly sliced: readonly string[];
  readonly partial: Expr;
  readonly result: string;
}

/** The part of a spec that is data and can be sent to another thread. */
export type TrainingData = Pick<TrainingSpec, 'parameters' | 'fixed' | 'optimiser' | 'start'> & {
  readonly blocks?: Omit<Blocks, 'partial'>;
};

/** The result of a training step: the loss, and the observed scalars by name. */
export interface StepResult {
  /** The loss before the update. */
  readonly loss: number;
  readonly observed: Readonly<Record<string, number>>;
}

/** Parameters and the optimiser's moments after `step` steps. */
export interface TrainingState {
  readonly step: number;
  readonly parameters: Readonly<Record<string, Tensor>>;
  /** `<parameter>.1`, `<parameter>.2`: first and second moments. */
  readonly moments: Readonly<Record<string, Tensor>>;
}

/** Parameters being trained. They stay in the runtime's thread; only batches and losses are sent. */
export interface Trainer {
  step(feeds: Readonly<Record<string, Tensor>>, rate: number): Promise<StepResult>;
  read(): Promise<TrainingState>;
  close(): Promise<void>;
}

/** A prepared graph, which computes all outputs from its feeds. */
export interface Run {
  readonly inputs: readonly string[];
  /** Runs the graph. Outputs named in `into` may be written into those tensors, whose shapes must be right; that saves new memory. */
  run(
    feeds: Readonly<Record<string, Tensor>>,
    into?: Readonly<Record<string, Tensor>>,
  ): Promise<Readonly<Record<string, Tensor>>>;
  close(): Promise<void>;
}
