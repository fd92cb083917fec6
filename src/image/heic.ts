import { EXTENSION } from '../own-programs.ts';
import type { Raster } from './resize.ts';
import { decodeOnThread } from './thread.ts';
import type { DecodeOptions } from './types.ts';

const PROGRAM = new URL(`./heic-worker${EXTENSION}`, import.meta.url);

/**
 * The primary picture of a HEIC file, decoded by libheif in WebAssembly. libheif turns the picture, because its orientation is part of the
 * format and not of EXIF.
 */
export async function decodeHeic(bytes: Uint8Array, { maxPixels }: Required<DecodeOptions>): Promise<Raster> {
  const { width, height, data } = await decodeOnThread(PROGRAM, bytes, maxPixels);
  return { width, height, channels: 4, data };
}
