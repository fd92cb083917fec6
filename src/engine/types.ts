import type { Abortable } from '../abort.ts';
import type { Expr } from '../graph/expression.ts';
import type { Tensor } from '../math/tensor.ts';
import type { KeyCache, KeyFile } from './keys/types.ts';
import type { Trainer, TrainingSpec } from './training/types.ts';

/** Runs this library's graphs and ONNX files. One engine serves a whole program. */
export interface Engine {
  /** Number of cores that it may use, if it is known. */
  readonly threads?: number;
  /**
   * The folder of the native build of ONNX Runtime that it computes with; undefined if it computes with another build. The first call
   * chooses the build. With `error`, the reason why the folder given before does not load, another build is used from then on.
   */
  native?(error?: unknown): Promise<string | undefined>;
  /** Prepares a model, given as ONNX bytes or as the path of a file. Throws `ModelError` if the runtime refuses it; `InterruptedError`. */
  load(model: Uint8Array | string, work?: Abortable): Promise<Session>;
  /**
   * Prepares a graph, given as its outputs by name. `weights` are the files of its `stored` tensors, if it has any. Throws as `load` does, and
   * `ModelError` `encoder/changed` if such a file was changed or replaced.
   */
  compile<Name extends string>(
    outputs: Readonly<Record<Name, Expr>>,
    work?: Abortable & { readonly weights?: WeightFiles },
  ): Promise<Session<Name>>;
  /** Whether graphs may have `stored` tensors. */
  readonly readsWeights?: boolean;
  /** Prepares a training. The parameters stay in the runtime's thread until they are read. Throws `UsageError` if the spec does not fit together. */
  train(spec: TrainingSpec, work?: Abortable): Promise<Trainer>;
  /** A cache whose keys stay in a file; `labels` [rows] are the classes of the rows. Throws `UsageError` outside Node, which alone can read files. */
  openKeys(file: KeyFile, labels: Int32Array, classes: number): KeyCache;
  /** Frees everything. Running calls are rejected. */
  close(): Promise<void>;
}

/** The files of a graph's `stored` tensors. */
export interface WeightFiles {
  readonly folder: string;
  /** The identities of the files when the graph was made (`fileIdentity`), by their names. */
  readonly identities: Readonly<Record<string, string>>;
}

/** A model or graph that an engine holds, ready to run. `Name` is the type of its outputs' names, if they are known. */
export interface Session<Name extends string = string> {
  readonly inputs: readonly PortInfo[];
  readonly outputs: readonly PortInfo[];
  /**
   * Computes all outputs, or those named in `outputs`. The feeds are not changed until it resolves. Buffers listed in `transfer` are not copied, and are empty afterwards.
   * Throws `UsageError` if a feed does not fit its input, `ModelError` if the runtime fails, and `InterruptedError` as soon as the
   * signal fires.
   */
  run<Asked extends Name = Name>(
    feeds: Readonly<Record<string, Tensor>>,
    options?: RunOptions<Asked>,
  ): Promise<Record<Asked, Tensor>>;
  /** Keeps inputs with the model, so that later runs need not send them again. Feeds of a run replace kept inputs of the same name. */
  keep(feeds: Readonly<Record<string, Tensor>>, work?: Abortable): Promise<void>;
  close(): Promise<void>;
}

/** Options of `Session.run`: names of the outputs to compute (default: all), buffers to transfer instead of copying, and a signal. */
export interface RunOptions<Name extends string = string> extends Abortable {
  outputs?: readonly Name[];
  transfer?: readonly ArrayBuffer[];
}

/** Name, number type and shape of an input or output. A size that is not fixed is -1 or a name. */
export interface PortInfo {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly (number | string)[];
}
