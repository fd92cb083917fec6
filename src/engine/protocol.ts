import type { Tensor } from '../math/tensor.ts';
import type { PortInfo } from './types.ts';

/** Messages between the engine and its worker thread. Every request has a number; its answer carries the same. */
export type Request =
  | { id: number; kind: 'load'; session: number; model: Uint8Array | string; threads: number }
  | { id: number; kind: 'keep'; session: number; feeds: Record<string, Tensor> }
  | { id: number; kind: 'run'; session: number; feeds: Record<string, Tensor>; outputs?: readonly string[] }
  | { id: number; kind: 'close'; session: number };

export type Answer =
  | { id: number; ports: { inputs: PortInfo[]; outputs: PortInfo[] } }
  | { id: number; tensors: Record<string, Tensor> }
  | { id: number; error: string };
