import { DataError } from '../errors.ts';

/** Pixel values in a file's own number type. */
export type Samples = Uint16Array | Int32Array | Uint32Array | Float32Array;

/** If no whole number reaches this, the numbers are taken as 8, 10 or 12 bits in a wider type: as 16 bits, the picture would be nearly black. */
const DARK = 2 ** 12;

/**
 * Converts samples, `channels` for each pixel, to 8 bits. Whole numbers lose their lowest bits, as in Pillow. They are taken as 16
 * bits, or as 12, 10 or 8 bits if no colour is larger (cameras and microscopes write these). Floating-point numbers are taken as
 * 0 to 1 or as 0 to 255. Throws `DataError` `image/range` if the range of the numbers does not tell which are black and white.
 */
export function toLevels(samples: Samples, channels: number): Uint8Array {
  const colours = channels % 2 === 0 ? channels - 1 : channels;
  let least = 0;
  let most = 0;
  for (let at = 0; at < samples.length; at++) {
    if (at % channels >= colours) continue;
    const value = samples[at]!;
    if (Number.isNaN(value)) throw noLevels('NaN among its numbers');
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
  // If the largest value is only a little above 1, it is more likely overexposure on a scale of 0 to 1 than a nearly black picture.
  if (least >= 0 && most >= 16 && most <= 255) return Math.round;
  throw noLevels(`numbers from ${short(least)} to ${short(most)}`);
}

const short = (value: number) => String(Number(value.toPrecision(4)));

function noLevels(what: string): DataError {
  return new DataError(`The picture has ${what}, so that black and white are not known`, {
    code: 'image/range',
    hint: 'Scale them to whole numbers from 0 to 255 or to 65535, or to floating-point numbers from 0 to 1, and save it again.',
  });
}
