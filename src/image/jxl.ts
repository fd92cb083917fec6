import { EXTENSION } from '../own-programs.ts';
import { decodeOnThread } from './thread.ts';

const PROGRAM = new URL(`./jxl-worker${EXTENSION}`, import.meta.url);

/**
 * A JPEG XL file as a PNG, of an animation the first frame, decoded by jxl-oxide in WebAssembly. jxl-oxide turns the picture, because its
 * orientation is part of the format.
 */
export async function pngOfJxl(bytes: Uint8Array, maxPixels: number): Promise<Uint8Array> {
  return (await decodeOnThread(PROGRAM, bytes, maxPixels)).data;
}
