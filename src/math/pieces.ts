import type { Pieces } from '../abort.ts';

/** Numbers in one piece of work: a few milliseconds. */
export const PIECE = 2 ** 20;

type Numbers = { readonly length: number; subarray(from: number, to: number): Numbers } & ArrayLike<number>;

/** `out` filled part by part with what `convert` makes of the values; `width` numbers are never parted. */
export function* converted<
  From extends Numbers,
  To extends { set(part: ArrayLike<number>, at: number): void },
>(values: From, out: To, convert: (part: From) => ArrayLike<number>, width = 1): Pieces<To> {
  const step = Math.max(1, Math.floor(PIECE / width)) * width;
  for (let at = 0; at < values.length; at += step) {
    out.set(convert(values.subarray(at, at + step) as From), at);
    yield;
  }
  return out;
}
