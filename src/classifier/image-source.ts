import { fileURLToPath } from 'node:url';
import { UsageError } from '../errors.ts';
import { encodePixels } from '../image/pixels.ts';
import { sha256 } from '../sha256.ts';
import { PICTURE, readRegular } from '../store/regular.ts';
import { describedValue } from '../words.ts';
import type { ImagePixels, ImageSource } from './types.ts';

/** A picture of any accepted form with its name and a function that reads its bytes. Throws `UsageError` for other values. */
export function readSource(image: ImageSource): { id: string; read(): Promise<Uint8Array> } {
  if (typeof image === 'string') return { id: image, read: () => readRegular(image, PICTURE) };
  if (image instanceof URL) return readSource(pathOf(image));
  if (image instanceof ArrayBuffer) return readSource(new Uint8Array(image));
  if (image instanceof Uint8Array) return { id: named(image), read: async () => image };
  if (image instanceof Blob) {
    const { name = 'blob' } = image as Partial<File>;
    return { id: name, read: async () => new Uint8Array(await image.arrayBuffer()) };
  }
  if (isPixels(image)) return { id: named(image.data), read: () => encodePixels(image) };
  if (typeof image?.read === 'function' && typeof image.id === 'string') return image;
  throw new UsageError(`A picture cannot be ${describedValue(image)}`, {
    code: 'image/source',
    hint: 'Give a path, a file: URL, bytes, a Blob, pixels ({ width, height, data }) or an example of a data set.',
  });
}

export function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}

const named = (bytes: Uint8Array | Uint8ClampedArray) =>
  `bytes:${sha256(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)).slice(0, 12)}`;

function pathOf(url: URL): string {
  if (url.protocol === 'file:') return fileURLToPath(url);
  throw new UsageError(`${url.href} is not on this machine`, {
    code: 'image/source',
    hint: 'Download it and give its bytes.',
  });
}

function isPixels(image: Exclude<ImageSource, string>): image is ImagePixels {
  const { width, height, data } = Object(image) as Partial<ImagePixels>;
  return typeof width === 'number' && typeof height === 'number' && ArrayBuffer.isView(data);
}
