import { createHash } from 'node:crypto';
import { PICTURE, readRegular } from '../store/regular.ts';
import type { ImageSource } from './types.ts';

/** A picture with a name, whatever it was given as. */
export function readSource(image: ImageSource): { id: string; read(): Promise<Uint8Array> } {
  if (typeof image === 'string') return { id: image, read: () => readRegular(image, PICTURE) };
  if (image instanceof Uint8Array) {
    const id = `bytes:${createHash('sha256').update(image).digest('hex').slice(0, 12)}`;
    return { id, read: async () => image };
  }
  return image;
}
