/** The update rule of the parameters. Names, rules and defaults are those of PyTorch's `torch.optim`. */
export type Optimiser =
  | { readonly kind: 'sgd'; readonly momentum?: number; readonly weightDecay?: number }
  | ({ readonly kind: 'adam' } & AdamSettings)
  | ({ readonly kind: 'adamw' } & AdamSettings);

/** Constants of Adam and AdamW, with PyTorch's names and defaults. */
export interface AdamSettings {
  readonly beta1?: number;
  readonly beta2?: number;
  readonly eps?: number;
  /** Adam adds decay x parameter to the gradient; AdamW shrinks the parameters by rate x decay, apart from the gradient. */
  readonly weightDecay?: number;
}

/** Number of arrays that the optimiser keeps for each parameter. */
export function momentCount({ kind }: Optimiser): number {
  return kind === 'sgd' ? 1 : 2;
}

/** Takes one step in place, in plain TypeScript; the kernels are tested against it. Steps are counted from 1; all arrays are [n]. */
export function referenceUpdate(
  optimiser: Optimiser,
  p: Float32Array,
  g: Float32Array,
  moments: readonly Float32Array[],
  step: number,
  rate: number,
): void {
  const m = moments[0]!;
  if (optimiser.kind === 'sgd') {
    const { momentum = 0, weightDecay = 0 } = optimiser;
    for (let i = 0; i < p.length; i++) {
      m[i] = momentum * m[i]! + g[i]! + weightDecay * p[i]!;
      p[i]! -= rate * m[i]!;
    }
    return;
  }
  const v = moments[1]!;
  const { beta1, beta2, eps, weightDecay, decoupled } = adamSettings(optimiser);
  for (let i = 0; i < p.length; i++) {
    const gradient = decoupled ? g[i]! : g[i]! + weightDecay * p[i]!;
    if (decoupled) p[i]! *= 1 - rate * weightDecay;
    m[i] = beta1 * m[i]! + (1 - beta1) * gradient;
    v[i] = beta2 * v[i]! + (1 - beta2) * gradient * gradient;
    p[i]! -= (rate * (m[i]! / (1 - beta1 ** step))) / (Math.sqrt(v[i]! / (1 - beta2 ** step)) + eps);
  }
}

/** The constants with their defaults; `decoupled` weight decay is the difference between AdamW and Adam. */
export function adamSettings(optimiser: { kind: 'adam' | 'adamw' } & AdamSettings) {
  const decoupled = optimiser.kind === 'adamw';
  const { beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weightDecay = decoupled ? 0.01 : 0 } = optimiser;
  return { beta1, beta2, eps, weightDecay, decoupled };
}
