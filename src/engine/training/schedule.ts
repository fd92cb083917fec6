/** The learning rate of a step; steps are counted from 0. */
export type Schedule = (step: number) => number;

/** A schedule with the same learning rate at every step. */
export function constantRate(rate: number): Schedule {
  return () => rate;
}

/**
 * The schedule of CoOp's code base, which CLAP and TaskRes share: one epoch at 1e-5, then half a cosine from `rate`, which moves between
 * epochs and began with the second.
 */
export function warmedRate(rate: number, steps: number, epochs: number): Schedule {
  return (step) => {
    const epoch = Math.floor((step * epochs) / steps);
    if (epoch === 0 && epochs > 1) return 1e-5;
    return rate * 0.5 * (1 + Math.cos((Math.PI * Math.max(0, epoch - 1)) / epochs));
  };
}

/**
 * A schedule that rises linearly over `warmup` steps, then falls from `rate` to `least` along half a cosine (Loshchilov and Hutter,
 * ICLR 2017, arXiv 1608.03983, eq. 5). `total` is the number of steps, `warmup` included.
 */
export function cosineRate(rate: number, total: number, warmup = 0, least = 0): Schedule {
  return (step) => {
    if (step < warmup) return (rate * (step + 1)) / warmup;
    const share = (step - warmup) / Math.max(1, total - warmup);
    return least + (rate - least) * 0.5 * (1 + Math.cos(Math.PI * Math.min(1, share)));
  };
}
