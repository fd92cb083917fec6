import { checkSize, unsupported } from './refusals.ts';
import type { Raster } from './resize.ts';

/** The numbers in front of the pixels, between which are blanks and comments. One blank ends them. */
const HEADER = /^P([56])(?:\s|#.*\n)+(\d+)(?:\s|#.*\n)+(\d+)(?:\s|#.*\n)+(\d+)\s/;

/** Longest header that is searched, in bytes. */
const HEAD = 4096;

/**
 * A binary PGM or PPM (netpbm.sourceforge.net/doc/ppm.html) of 8 or 16 bits. Levels are scaled to 255 as in Pillow. Throws an `Error` that says what is wrong with it.
 */
export function decodeNetpbm(bytes: Uint8Array, maxPixels: number): Raster {
  const head = String.fromCharCode(...bytes.subarray(0, HEAD));
  const found = HEADER.exec(head);
  if (!found) throw unsupported('PBM, PGM or PPM as text, or with one bit for each pixel');
  const [type, width, height, most] = found.slice(1).map(Number) as [number, number, number, number];
  checkSize(width, height, maxPixels);
  const channels = type === 6 ? 3 : 1;
  const size = most < 256 ? 1 : 2;
  const length = width * height * channels;
  const pixels = bytes.subarray(found[0].length, found[0].length + length * size);
  if (length === 0 || most === 0 || most > 0xffff || pixels.length < length * size)
    throw new Error('it has fewer pixels than its header says');
  const valueAt = (i: number) => (size === 1 ? pixels[i]! : (pixels[2 * i]! << 8) | pixels[2 * i + 1]!);
  const data = Uint8Array.from({ length }, (_, i) => scaled(valueAt(i), most));
  return { width, height, channels, data };
}

/** A level on a scale up to 255, where halves are rounded to the even number, as in Python. */
function scaled(value: number, most: number): number {
  const exact = (value / most) * 255;
  const rounded = Math.round(exact);
  return Math.min(255, rounded - exact === 0.5 && rounded % 2 === 1 ? rounded - 1 : rounded);
}
