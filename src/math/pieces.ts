import type { Pieces } from '../abort.ts';

/** How many numbers one piece of work converts, which takes a few milliseconds. */
export const PIECE = 2 ** 20;

type Numbers = { readonly length: number; subarray(from: number, to: number): Numbers } & ArrayLike<number>;

/** Fills `out` piece by piece with the converted values. Each piece is a multiple of `width` numbers. */
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
