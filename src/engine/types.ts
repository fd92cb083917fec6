import type { Abortable } from '../abort.ts';
import type { Expr } from '../graph/expression.ts';
import type { Tensor } from '../math/tensor.ts';
import type { KeyCache, KeyFile } from './keys/types.ts';
import type { Trainer, TrainingSpec } from './training/types.ts';

/** Runs models: graphs of ours and ONNX files of others. One engine serves a whole program. */
export interface Engine {
  /** Prepares a model: ONNX bytes, or the path of a file. Throws `ModelError` where the runtime refuses it. */
  load(model: Uint8Array | string, work?: Abortable): Promise<Session>;
  /** Prepares a graph of ours. */
  compile<Name extends string>(
    outputs: Readonly<Record<Name, Expr>>,
    work?: Abortable,
  ): Promise<Session<Name>>;
  /** Begins to train: parameters stay beside the runtime until they are read. */
  train(spec: TrainingSpec, work?: Abortable): Promise<Trainer>;
  /** A cache whose keys stay in a file, with the class of each row. Only Node has files: elsewhere throws `UsageError`. */
  openKeys(file: KeyFile, labels: Int32Array, classes: number): KeyCache;
  /** Frees everything; running work ends in an error. */
  close(): Promise<void>;
}

/** A model or graph that an engine holds, ready to run; `Name` are its outputs', where they are known. */
export interface Session<Name extends string = string> {
  readonly inputs: readonly PortInfo[];
  readonly outputs: readonly PortInfo[];
  /**
   * Computes all outputs, or those asked for. Buffers listed in `transfer` are handed over, not copied, and are empty
   * afterwards. Throws `InterruptedError` as soon as the signal fires; `ModelError` where the runtime fails.
   */
  run<Asked extends Name = Name>(
    feeds: Readonly<Record<string, Tensor>>,
    options?: RunOptions<Asked>,
  ): Promise<Record<Asked, Tensor>>;
  /** Keeps inputs beside the model, so that later runs need not send them again; run's own feeds win. */
  keep(feeds: Readonly<Record<string, Tensor>>, work?: Abortable): Promise<void>;
  close(): Promise<void>;
}

/** Names of the outputs to compute (default: all), a signal to stop at, and buffers that are handed over. */
export interface RunOptions<Name extends string = string> extends Abortable {
  outputs?: readonly Name[];
  transfer?: readonly ArrayBuffer[];
}

/** Name, number type and shape of an input or output; -1 or a name where a size is open. */
export interface PortInfo {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly (number | string)[];
}
