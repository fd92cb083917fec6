import { DataError } from '../errors.ts';
import type { Raster } from '../image/resize.ts';
import { type CanvasPixels, MAX_PIXELS } from '../image/types.ts';
import { loadPart } from '../load-part.ts';
import { count } from '../words.ts';

const gif = () => loadPart(() => import('../image/gif.ts'));
const png = () => loadPart(() => import('../image/png.ts'));

/** Loads the rules for PNG and GIF, so that a later picture needs no network. */
export const loadFormats = () => Promise.all([gif(), png()]);

/** The pixels of a picture's file as they are stored, without colour management, with the same rules for palettes and transparent colours as in Node. Throws `DataError` if the browser cannot read them. */
export async function pixelsOfFile(file: Blob, exif: boolean): Promise<CanvasPixels> {
  const head = await bytesOfFile(file.slice(0, HEAD));
  const shown = begins(head, PNG) ? await visiblePng(file) : file;
  const bitmap = await createImageBitmap(shown, {
    imageOrientation: exif ? 'from-image' : 'none',
    colorSpaceConversion: 'none',
    premultiplyAlpha: 'none',
  }).catch(unreadable);
  const pixels = pixelsOf(bitmap, bitmap.width, bitmap.height);
  bitmap.close();
  if (!begins(head, GIF)) return { ...pixels, palette: isPalettePng(head) };
  const { firstFrame } = await gif();
  const { palette = true, data } = firstFrame(
    { ...pixels, data: bytesOf(pixels), channels: 4 },
    await bytesOfFile(file),
  );
  return { ...pixels, palette, data };
}

/** A PNG in which a transparent colour stays visible. */
async function visiblePng(file: Blob): Promise<Blob> {
  const { withVisibleColour } = await png();
  return new Blob([withVisibleColour(await bytesOfFile(file))]);
}

async function bytesOfFile(file: Blob): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await file.arrayBuffer().catch(unreadable));
}

function unreadable(cause: Error): never {
  throw new DataError(`The browser cannot read the picture: ${cause.message}`, {
    code: 'image/unreadable',
    hint: 'Give a format that this browser shows, such as JPEG, PNG or WebP.',
    cause,
  });
}

/** The pixels of a bitmap, a frame or an element. Throws `DataError` if there are too many for a canvas. */
export function pixelsOf(source: CanvasImageSource, width: number, height: number): CanvasPixels {
  const refuse = (cause?: unknown) => {
    throw new DataError(`The picture has ${count(width * height, 'pixel')}, which this browser cannot hold`, {
      code: 'image/too-large',
      hint: 'Give a smaller picture.',
      details: { width, height },
      cause,
    });
  };
  if (width * height > MAX_PIXELS) return refuse();
  try {
    const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
    if (!context) return refuse();
    context.drawImage(source, 0, 0);
    return { width, height, data: context.getImageData(0, 0, width, height).data, palette: false };
  } catch (cause) {
    return refuse(cause);
  }
}

/** Pixels as a raster, which has an alpha channel only if a pixel is not opaque. */
export function rasterOf(pixels: CanvasPixels): Raster {
  const { width, height, palette } = pixels;
  const bytes = bytesOf(pixels);
  for (let at = 3; at < bytes.length; at += 4)
    if (bytes[at] !== 255) return { width, height, data: bytes, palette, channels: 4 };
  const rgb = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; from < bytes.length; from += 4, to += 3) {
    rgb[to] = bytes[from]!;
    rgb[to + 1] = bytes[from + 1]!;
    rgb[to + 2] = bytes[from + 2]!;
  }
  return { width, height, data: rgb, palette, channels: 3 };
}

function bytesOf({ data }: CanvasPixels): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.length);
}

const PNG = [0x89, 0x50, 0x4e, 0x47];
const GIF = [0x47, 0x49, 0x46];
/** Number of bytes at the start of a file that the two functions below look at. */
const HEAD = 26;
/** Positions of a PNG's bits per sample and of its colour type, and the colour type of a palette. */
const [DEPTH, COLOUR_TYPE, INDEXED] = [24, 25, 3];

function begins(head: Uint8Array, bytes: readonly number[]): boolean {
  return bytes.every((byte, i) => head[i] === byte);
}

/** Whether a file is a PNG that is resized by nearest neighbour, as in Pillow: one with a palette, or of one bit. */
function isPalettePng(head: Uint8Array): boolean {
  return begins(head, PNG) && (head[COLOUR_TYPE] === INDEXED || head[DEPTH] === 1);
}
