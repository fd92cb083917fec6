/** Ends of the scales of Tip-Adapter's constants, for the sliders and the map. Both scales are geometric. */
export const ALPHA = [0.01, 1000] as const;
export const BETA = [0.5, 100] as const;

/** The value at a position on its scale, 0..1. */
export const valueAt = (share: number, [low, high]: readonly [number, number]): number =>
  low * (high / low) ** Math.min(1, Math.max(0, share));

/** The position of a value on its scale, 0..1. */
export function place(value: number, [low, high]: readonly [number, number]): number {
  const share = Math.log(Math.max(value, low) / low) / Math.log(high / low);
  return Math.min(1, Math.max(0, share));
}
