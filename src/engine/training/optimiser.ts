import { instantiate } from '../kernels/instantiate.ts';
import { wasm } from '../kernels/optimisers.wasm.ts';

/** How parameters follow their gradient; the names and rules are those of PyTorch's `torch.optim`. */
export type Optimiser =
  | { readonly kind: 'sgd'; readonly momentum?: number; readonly weightDecay?: number }
  | ({ readonly kind: 'adam' } & AdamSettings)
  | ({ readonly kind: 'adamw' } & AdamSettings);

interface AdamSettings {
  readonly beta1?: number;
  readonly beta2?: number;
  readonly eps?: number;
  /** Added to the gradient by Adam; shrinks the parameters by itself in AdamW. */
  readonly weightDecay?: number;
}

/** Arrays the optimiser keeps beside each parameter. */
export function momentCount({ kind }: Optimiser): number {
  return kind === 'sgd' ? 1 : 2;
}

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

/** Byte addresses of a parameter (or a part of it), its gradient and its moments, and how many numbers, padded to a multiple of 4. */
interface Place {
  readonly parameter: number;
  readonly gradient: number;
  readonly moments: readonly number[];
  readonly count: number;
}

/** Takes one step: the `step`-th, counted from 1. */
export type Update = (place: Place, step: number, rate: number) => void;

/** The optimiser as WebAssembly SIMD on a memory that holds everything. */
export function createUpdate(optimiser: Optimiser, memory: WebAssembly.Memory): Update {
  const kernels = instantiate<Kernels>(wasm, memory);
  if (optimiser.kind === 'sgd') {
    const { momentum = 0, weightDecay = 0 } = optimiser;
    return ({ parameter, gradient, moments: [m], count }, _, rate) =>
      kernels.sgd(parameter, gradient, m, count, rate, momentum, weightDecay);
  }
  const { beta1, beta2, eps, weightDecay, decoupled } = adamSettings(optimiser);
  return ({ parameter, gradient, moments: [m, v], count }, step, rate) =>
    kernels.adam(
      parameter,
      gradient,
      m,
      v,
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

/** The same step in plain TypeScript, in place: what the kernels are tested against. */
export function referenceUpdate(
  optimiser: Optimiser,
  p: Float32Array,
  g: Float32Array,
  moments: readonly Float32Array[],
  step: number,
  rate: number,
): void {
  const [m, v] = moments;
  if (optimiser.kind === 'sgd') {
    const { momentum = 0, weightDecay = 0 } = optimiser;
    for (let i = 0; i < p.length; i++) {
      m[i] = momentum * m[i] + g[i] + weightDecay * p[i];
      p[i] -= rate * m[i];
    }
    return;
  }
  const { beta1, beta2, eps, weightDecay, decoupled } = adamSettings(optimiser);
  for (let i = 0; i < p.length; i++) {
    const gradient = decoupled ? g[i] : g[i] + weightDecay * p[i];
    if (decoupled) p[i] *= 1 - rate * weightDecay;
    m[i] = beta1 * m[i] + (1 - beta1) * gradient;
    v[i] = beta2 * v[i] + (1 - beta2) * gradient * gradient;
    p[i] -= (rate * (m[i] / (1 - beta1 ** step))) / (Math.sqrt(v[i] / (1 - beta2 ** step)) + eps);
  }
}

function adamSettings(optimiser: { kind: 'adam' | 'adamw' } & AdamSettings) {
  const decoupled = optimiser.kind === 'adamw';
  const { beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weightDecay = decoupled ? 0.01 : 0 } = optimiser;
  return { beta1, beta2, eps, weightDecay, decoupled };
}
