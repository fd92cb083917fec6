/** Ends of the scales on which Tip-Adapter's constants are set by hand and mapped; both are geometric. */
export const ALPHA = [0.01, 1000] as const;
export const BETA = [0.5, 100] as const;

/** The value at a place of its scale, 0..1. */
export const valueAt = (share: number, [low, high]: readonly [number, number]): number =>
  low * (high / low) ** Math.min(1, Math.max(0, share));

/** Where a value lies between the ends of its scale, 0..1. */
export function place(value: number, [low, high]: readonly [number, number]): number {
  const share = Math.log(Math.max(value, low) / low) / Math.log(high / low);
  return Math.min(1, Math.max(0, share));
}
