import { DataError, UsageError } from '../errors.ts';
import { describedValue } from '../words.ts';
import type { SentPicture } from './protocol.ts';

/** A picture in any form that a page has. A video or a canvas gives what it shows now, and an `<img>` is taken as drawn. */
export type WebImage =
  | Blob
  | ImageBitmap
  | ImageData
  | VideoFrame
  | HTMLImageElement
  | HTMLVideoElement
  | HTMLCanvasElement
  | OffscreenCanvas;

/** The picture as the worker takes it, with what is transferred. The caller's own bitmap or frame stays usable. Throws `UsageError` for another value. */
export async function sentPicture(
  image: WebImage,
): Promise<{ picture: SentPicture; transfer: Transferable[] }> {
  if (image instanceof Blob) {
    const id = image instanceof File ? image.name : undefined;
    return { picture: { kind: 'file', file: image, id }, transfer: [] };
  }
  if (image instanceof ImageData) {
    const { width, height, data } = image;
    if (data instanceof Uint8ClampedArray)
      return { picture: { kind: 'pixels', width, height, data }, transfer: [] };
    throw new UsageError(`The pixels of an ImageData cannot be ${describedValue(data)}`, {
      code: 'image/source',
      hint: 'Make the ImageData with 8 bits for each number, which is the default.',
    });
  }
  if (typeof VideoFrame === 'function' && image instanceof VideoFrame) {
    const frame = image.clone();
    return { picture: { kind: 'frame', frame, id: 'frame' }, transfer: [frame] };
  }
  // A worker has no elements.
  const isImage = typeof HTMLImageElement === 'function' && image instanceof HTMLImageElement;
  const isElement =
    isImage ||
    (typeof HTMLVideoElement === 'function' &&
      (image instanceof HTMLVideoElement || image instanceof HTMLCanvasElement));
  if (!isElement && !(image instanceof ImageBitmap) && !(image instanceof OffscreenCanvas)) {
    throw new UsageError(`A picture cannot be ${describedValue(image)}`, {
      code: 'image/source',
      hint: 'Give a Blob, ImageBitmap, ImageData, VideoFrame, <img>, <video>, <canvas> or OffscreenCanvas.',
    });
  }
  if (isImage) await image.decode().catch(() => {});
  const bitmap = await createImageBitmap(image, {
    colorSpaceConversion: 'none',
    premultiplyAlpha: 'none',
  }).catch((cause: Error) => {
    throw new DataError(`The picture cannot be read: ${cause.message}`, {
      code: 'web/picture',
      hint: 'Wait until it is loaded. A picture from another origin needs the attribute crossorigin, and a host that allows it.',
      cause,
    });
  });
  const id = isImage ? image.currentSrc || undefined : undefined;
  return { picture: { kind: 'bitmap', bitmap, id }, transfer: [bitmap] };
}
