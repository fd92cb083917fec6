import type { Tensor } from '../math/tensor.ts';
import type { TrainingPlan } from './training/plan.ts';
import type { TrainingData } from './training/trainer.ts';
import type { StepResult, TrainingState } from './training/types.ts';
import type { PortInfo } from './types.ts';

/** Messages between the engine and its worker thread. Every request has a number; its answer carries the same. */
export type Request =
  | { id: number; kind: 'load'; session: number; model: Uint8Array | string; threads: number }
  | { id: number; kind: 'keep'; session: number; feeds: Record<string, Tensor> }
  | { id: number; kind: 'run'; session: number; feeds: Record<string, Tensor>; outputs?: readonly string[] }
  | { id: number; kind: 'close'; session: number }
  | {
      id: number;
      kind: 'train';
      trainer: number;
      plan: TrainingPlan<Uint8Array>;
      data: TrainingData;
      threads: number;
    }
  | { id: number; kind: 'train-step'; trainer: number; feeds: Record<string, Tensor>; rate: number }
  | { id: number; kind: 'train-read'; trainer: number }
  | { id: number; kind: 'train-close'; trainer: number };

export type Answer =
  | { id: number; ports: { inputs: PortInfo[]; outputs: PortInfo[] } }
  | { id: number; tensors: Record<string, Tensor> }
  | { id: number; result: StepResult }
  | { id: number; state: TrainingState }
  | { id: number; error: string; code?: string; hint?: string };
