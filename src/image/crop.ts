import sharp from 'sharp';
import { DataError } from '../errors.ts';
import { decode } from './decode.ts';
import type { Raster } from './resize.ts';
import type { DecodeOptions } from './types.ts';

/** A rectangle in a picture, from an annotation. */
export interface Region {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  /** Size of the picture in the annotation, in the same unit: 1 by 1 for shares of the sides. Absent for pixels of the picture. */
  readonly of?: { readonly width: number; readonly height: number };
  /** Margin on each side, in percent of the rectangle's width and height. */
  readonly margin: number;
}

/**
 * A PNG of a part of a picture, in whole pixels. The picture is turned by its EXIF orientation, unless the annotation's size is that of
 * the picture as it is stored. Throws as `decode`, and `DataError` `image/region` if the part lies outside of the picture.
 */
export async function crop(
  bytes: Uint8Array,
  region: Region,
  options: DecodeOptions = {},
): Promise<Uint8Array> {
  let raster = await decode(bytes, { ...options, exif: true });
  if (isTurned(raster, region)) raster = await decode(bytes, { ...options, exif: false });
  const { left, top, width, height } = pixelsOf(raster, region);
  const { channels, data } = raster;
  const part = sharp(data, { raw: { width: raster.width, height: raster.height, channels } });
  return new Uint8Array(
    await part.extract({ left, top, width, height }).png({ compressionLevel: 1 }).toBuffer(),
  );
}

/** Whether one of the picture and its annotation is upright and the other is not. */
function isTurned({ width, height }: Raster, { of }: Region): boolean {
  return (
    of !== undefined && width !== height && of.width !== of.height && width < height !== of.width < of.height
  );
}

function pixelsOf(raster: Raster, { left, top, width, height, of, margin }: Region) {
  const [scaleX, scaleY] = [
    raster.width / (of?.width ?? raster.width),
    raster.height / (of?.height ?? raster.height),
  ];
  const [dx, dy] = [(width * margin) / 100, (height * margin) / 100];
  const [x0, y0] = [
    Math.max(0, Math.round((left - dx) * scaleX)),
    Math.max(0, Math.round((top - dy) * scaleY)),
  ];
  // A part that is narrower than a pixel gets one pixel.
  const x1 = Math.min(raster.width, Math.max(Math.round((left + width + dx) * scaleX), x0 + 1));
  const y1 = Math.min(raster.height, Math.max(Math.round((top + height + dy) * scaleY), y0 + 1));
  const isInside = (left + width + dx) * scaleX > 0 && (top + height + dy) * scaleY > 0;
  if (isInside && x1 > x0 && y1 > y0) return { left: x0, top: y0, width: x1 - x0, height: y1 - y0 };
  throw new DataError(
    `The marked part lies outside of the picture of ${raster.width} x ${raster.height} pixels`,
    {
      code: 'image/region',
      hint: 'Correct the annotation, or remove it.',
      details: { left, top, width, height, picture: [raster.width, raster.height] },
    },
  );
}
