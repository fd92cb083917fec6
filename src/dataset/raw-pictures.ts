import { DataError } from '../errors.ts';
import { encodePixels } from '../image/pixels.ts';
import type { SourceFile } from './tree.ts';

/** A picture of raw pixels inside a larger file, as a file of its own: `path/<number>`. `rgb` returns its width x height x 3 bytes. */
export function rawPicture(
  { path }: SourceFile,
  number: number,
  [width, height]: readonly [width: number, height: number],
  rgb: () => Promise<Uint8Array>,
): SourceFile {
  return {
    path: `${path}/${number}`,
    read: async () => new Uint8Array(await encodePixels({ width, height, data: await rgb() })),
  };
}

/** The bytes of a file, read once when they are first needed. */
export function readOnce(file: SourceFile): () => Promise<Uint8Array> {
  let bytes: Promise<Uint8Array> | undefined;
  return () => {
    bytes ??= file.read();
    return bytes;
  };
}

/** The error of a file of raw pictures that does not have the contents of its format. */
export function damagedArray({ path }: SourceFile, format: string, why: string, cause?: unknown): DataError {
  return new DataError(`${path} cannot be read as ${format}: ${why}`, {
    code: 'dataset/arrays',
    hint: 'Download it again.',
    details: { path },
    cause,
  });
}
