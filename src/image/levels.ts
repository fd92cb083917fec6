import { DataError } from '../errors.ts';

/** Numbers of pixels as they stand in a file. */
export type Samples = Uint16Array | Int32Array | Uint32Array | Float32Array;

/** Whole numbers below this are taken for 8, 10 or 12 bits in a wider type: as they are, the picture would be nearly black. */
const DARK = 2 ** 12;

/**
 * Samples as levels of 8 bits, `channels` to a pixel. Whole numbers lose their lowest bits, as in Pillow: of 16 bits, or of 12, 10
 * or 8 where no colour is larger (cameras and microscopes write these). Floating-point numbers are taken from 0 to 1 or from 0 to
 * 255. Throws `DataError` `image/range` where the numbers do not tell what is black and what is white.
 */
export function toLevels(samples: Samples, channels: number): Uint8Array {
  const colours = channels % 2 === 0 ? channels - 1 : channels;
  let [least, most] = [0, 0];
  for (let at = 0; at < samples.length; at++) {
    if (at % channels >= colours) continue;
    const value = samples[at]!;
    if (Number.isNaN(value)) throw noLevels('numbers that are none (NaN)');
    if (value < least) least = value;
    else if (value > most) most = value;
  }
  const level = samples instanceof Float32Array ? floatLevel(least, most) : wholeLevel(least, most);
  const opaque = samples instanceof Float32Array ? level : (value: number) => Math.min(255, value >> 8);
  const levels = new Uint8Array(samples.length);
  for (let at = 0; at < samples.length; at++)
    levels[at] = at % channels < colours ? level(samples[at]!) : opaque(samples[at]!);
  return levels;
}

function wholeLevel(least: number, most: number): (value: number) => number {
  if (least < 0 || most > 0xffff) throw noLevels(`whole numbers from ${least} to ${most}`);
  const bits = most >= DARK ? 16 : most >= 1024 ? 12 : most >= 256 ? 10 : 8;
  return (value) => value >> (bits - 8);
}

function floatLevel(least: number, most: number): (value: number) => number {
  if (least >= 0 && most <= 1) return (value) => Math.round(255 * value);
  // Up to a few ones, the picture would be nearly black; it is more likely light beyond white.
  if (least >= 0 && most >= 16 && most <= 255) return Math.round;
  throw noLevels(`numbers from ${short(least)} to ${short(most)}`);
}

const short = (value: number) => String(Number(value.toPrecision(4)));

function noLevels(what: string): DataError {
  return new DataError(`The picture holds ${what}, which do not tell black from white`, {
    code: 'image/range',
    hint: 'Scale them to whole numbers from 0 to 255 or to 65535, or to floating-point numbers from 0 to 1, and save it again.',
  });
}
