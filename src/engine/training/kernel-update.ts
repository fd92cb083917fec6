import { instantiate } from '../kernels/instantiate.ts';
import { wasm } from '../kernels/optimisers.wasm.ts';
import { adamSettings, type Optimiser } from './optimiser.ts';

interface Kernels {
  sgd(p: number, g: number, m: number, n: number, rate: number, momentum: number, decay: number): void;
  adam(
    p: number,
    g: number,
    m: number,
    v: number,
    n: number,
    rate: number,
    beta1: number,
    beta2: number,
    eps: number,
    decay: number,
    decoupled: boolean,
    correction1: number,
    correction2: number,
  ): void;
}

/** Byte addresses of a parameter (or a part of one), of its gradient and of its moments, with its number of elements, padded to a multiple of 4. */
interface Place {
  readonly parameter: number;
  readonly gradient: number;
  readonly moments: readonly number[];
  readonly count: number;
}

/** Takes one optimiser step; `step` is counted from 1. */
export type Update = (place: Place, step: number, rate: number) => void;

/** The optimiser as WebAssembly SIMD, on a memory that holds parameters, gradient and moments. */
export function createUpdate(optimiser: Optimiser, memory: WebAssembly.Memory): Update {
  const kernels = instantiate<Kernels>(wasm, memory);
  if (optimiser.kind === 'sgd') {
    const { momentum = 0, weightDecay = 0 } = optimiser;
    return ({ parameter, gradient, moments, count }, _, rate) =>
      kernels.sgd(parameter, gradient, moments[0]!, count, rate, momentum, weightDecay);
  }
  const { beta1, beta2, eps, weightDecay, decoupled } = adamSettings(optimiser);
  return ({ parameter, gradient, moments, count }, step, rate) =>
    kernels.adam(
      parameter,
      gradient,
      moments[0]!,
      moments[1]!,
      count,
      rate,
      beta1,
      beta2,
      eps,
      weightDecay,
      decoupled,
      1 - beta1 ** step,
      1 - beta2 ** step,
    );
}
