/** Learning rate of each step, counted from 0. */
export type Schedule = (step: number) => number;

/** The same learning rate at every step. */
export function constantRate(rate: number): Schedule {
  return () => rate;
}

/**
 * From `rate` down to 0 along half a cosine over `total` steps (Loshchilov and Hutter, ICLR 2017, arXiv 1608.03983), after
 * `warmup` steps that rise linearly.
 */
export function cosineRate(rate: number, total: number, warmup = 0): Schedule {
  return (step) => {
    if (step < warmup) return (rate * (step + 1)) / warmup;
    const share = (step - warmup) / Math.max(1, total - warmup);
    return rate * 0.5 * (1 + Math.cos(Math.PI * Math.min(1, share)));
  };
}
