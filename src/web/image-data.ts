import type { Raster } from '../image/resize.ts';

/** A raster of three or four channels as the pixels of a canvas. */
export function imageDataOf({ width, height, channels, data }: Raster): ImageData {
  if (channels === 4) return new ImageData(new Uint8ClampedArray(data), width, height);
  const rgba = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let from = 0, to = 0; from < data.length; from += 3, to += 4)
    rgba.set(data.subarray(from, from + 3), to);
  return new ImageData(rgba, width, height);
}
