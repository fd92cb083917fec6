import { UsageError } from '../errors.ts';
import { count } from '../words.ts';

/** Encodes pixels, three or four bytes each, row by row, as a PNG. Throws `UsageError` if their number does not fit the size. */
export async function encodePixels({
  width,
  height,
  data,
}: {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array | Uint8ClampedArray;
}): Promise<Uint8Array> {
  const channels = data.length / (width * height);
  if (!(Number.isInteger(width) && Number.isInteger(height)) || (channels !== 3 && channels !== 4)) {
    throw new UsageError(
      `Pixels of ${width} x ${height} need 3 or 4 bytes each; there are ${count(data.length, 'byte')}`,
      {
        code: 'image/pixels',
        hint: 'Give width, height, and data with the bytes of RGB or RGBA pixels.',
      },
    );
  }
  const { default: sharp } = await import('sharp');
  return sharp(data, { raw: { width, height, channels } }).png({ compressionLevel: 0 }).toBuffer();
}
