/** The learning rate of a step; steps are counted from 0. */
export type Schedule = (step: number) => number;

/** A schedule with the same learning rate at every step. */
export function constantRate(rate: number): Schedule {
  return () => rate;
}

/**
 * A schedule that rises linearly over `warmup` steps, then falls from `rate` to 0 along half a cosine (Loshchilov and Hutter,
 * ICLR 2017, arXiv 1608.03983, eq. 5). `total` is the number of steps, `warmup` included.
 */
export function cosineRate(rate: number, total: number, warmup = 0): Schedule {
  return (step) => {
    if (step < warmup) return (rate * (step + 1)) / warmup;
    const share = (step - warmup) / Math.max(1, total - warmup);
    return rate * 0.5 * (1 + Math.cos(Math.PI * Math.min(1, share)));
  };
}
