import { once } from 'node:events';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { checkSize } from './refusals.ts';
import type { Raster } from './resize.ts';
import type { DecodeOptions } from './types.ts';

const THREAD = new URL(`./heic-worker${extname(import.meta.url)}`, import.meta.url);

/** A message of the thread: first the size of the picture, before it is decoded, then its pixels. */
export interface HeicAnswer {
  readonly width: number;
  readonly height: number;
  /** RGBA. */
  readonly data?: Uint8Array;
}

/**
 * The primary picture of a HEIC file, decoded by libheif in WebAssembly on a thread of its own, so that this thread can end the
 * process meanwhile. libheif turns the picture, because its orientation is part of the format and not of EXIF.
 */
export async function decodeHeic(bytes: Uint8Array, { maxPixels }: Required<DecodeOptions>): Promise<Raster> {
  const thread = new Worker(THREAD, { workerData: bytes });
  try {
    // Rejects with what the thread throws.
    const [size] = (await once(thread, 'message')) as [HeicAnswer];
    checkSize(size.width, size.height, maxPixels);
    thread.postMessage('decode');
    const [{ width, height, data }] = (await once(thread, 'message')) as [Required<HeicAnswer>];
    return { width, height, channels: 4, data };
  } finally {
    await thread.terminate();
  }
}
