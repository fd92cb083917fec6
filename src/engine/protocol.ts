import type { StoredTensor, Tensor } from '../math/tensor.ts';
import type { Device } from './device.ts';
import type { KeyPart } from './keys/types.ts';
import type { BlockPlan } from './training/plan.ts';
import type { StepResult, TrainingData, TrainingState } from './training/types.ts';
import type { PortInfo, WeightFiles } from './types.ts';

/** How a model is run. */
export interface Settings {
  readonly device: Device;
  readonly threads: number;
  /** In Node: the folder of ONNX Runtime's native build. Without it, the thread uses the WebAssembly build. */
  readonly native?: string;
  /** In a page: the URL of the folder with the runtime's files, with a slash at the end. */
  readonly wasmPaths?: string;
}

/** The files of a model's `stored` tensors. */
export interface ModelWeights extends WeightFiles {
  /** In a model for WebAssembly, which cannot open files, tensor i is in the file named i. Here is where it lies; none for the native build. */
  readonly pieces: readonly StoredTensor[];
}

/** Messages between the engine and its worker thread. Every request has a number; its answer carries the same. */
export type Request =
  | {
      id: number;
      kind: 'load';
      session: number;
      model: Uint8Array | string;
      weights?: ModelWeights;
      settings: Settings;
    }
  | { id: number; kind: 'keep'; session: number; feeds: Record<string, Tensor> }
  | { id: number; kind: 'run'; session: number; feeds: Record<string, Tensor>; outputs?: readonly string[] }
  | { id: number; kind: 'close'; session: number }
  | {
      id: number;
      kind: 'train';
      trainer: number;
      loss: Uint8Array;
      data: TrainingData;
      settings: Settings;
    }
  | { id: number; kind: 'train-step'; trainer: number; feeds: Record<string, Tensor>; rate: number }
  | { id: number; kind: 'train-read'; trainer: number }
  | { id: number; kind: 'train-close'; trainer: number }
  | { id: number; kind: 'shard'; plan: BlockPlan<Uint8Array>; data: TrainingData; settings: Settings }
  | { id: number; kind: 'shard-forward'; feeds: Record<string, Tensor> }
  | { id: number; kind: 'shard-backward'; upstream: Tensor; rate: number }
  | { id: number; kind: 'shard-read' }
  | { id: number; kind: 'keys'; part: KeyPart; settings: Settings }
  | { id: number; kind: 'keys-sums'; features: Tensor; beta: number; each: boolean };

export type Answer =
  | { id: number; ports: { inputs: PortInfo[]; outputs: PortInfo[] } }
  | { id: number; tensors: Record<string, Tensor> }
  | { id: number; result: StepResult }
  | { id: number; state: TrainingState }
  | { id: number; error: string; code?: string; hint?: string };

/** The tensors of an answer, by name; none if the answer has no tensors. */
export function tensorsOf<Name extends string>(answer: Answer): Record<Name, Tensor> {
  return ('tensors' in answer ? answer.tensors : {}) as Record<Name, Tensor>;
}

/** Error code of a thread that cannot load the native build. */
export const NATIVE_REFUSED = 'engine/native';

/** Indices in the state that Node's thread shares with the program: the number of requests being answered, and whether no more may begin. */
export const BUSY = 0;
export const ENDING = 1;
