import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { DataError, systemCode } from '../errors.ts';
import type { ImageSource } from './types.ts';

/** A picture with a name, whatever it was given as. */
export function readSource(image: ImageSource): { id: string; read(): Promise<Uint8Array> } {
  if (typeof image === 'string') return { id: image, read: () => readPicture(image) };
  if (image instanceof Uint8Array) {
    const id = `bytes:${createHash('sha256').update(image).digest('hex').slice(0, 12)}`;
    return { id, read: async () => image };
  }
  return image;
}

async function readPicture(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    const missing = systemCode(cause) === 'ENOENT';
    throw new DataError(
      missing ? `There is no file ${path}` : `Cannot read ${path}: ${(cause as Error).message}`,
      {
        code: missing ? 'image/missing' : 'image/unreadable',
        hint: missing ? 'Check the path.' : 'Check that the file is a picture and that you may read it.',
        details: { path },
        cause,
      },
    );
  }
}
