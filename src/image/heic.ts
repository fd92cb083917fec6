import { DataError } from '../errors.ts';
import type { Raster } from './resize.ts';

/**
 * The first picture of a HEIC file, by libheif in WebAssembly; `checkSize` sees its size before anything is decoded.
 * libheif turns the picture itself: its orientation is part of the format, not of EXIF.
 */
export async function decodeHeic(
  bytes: Uint8Array,
  checkSize: (width: number, height: number) => void,
): Promise<Raster> {
  const { default: heic } = await import('heic-decode');
  const damaged = (cause: unknown) => {
    throw new DataError('The HEIC picture is cut short or damaged', {
      code: 'image/truncated',
      hint: 'Copy it again, or export it as JPEG.',
      cause,
    });
  };
  const pictures = await heic.all({ buffer: bytes }).catch(damaged);
  try {
    const [first] = pictures;
    checkSize(first.width, first.height);
    const { width, height, data } = await first.decode().catch(damaged);
    return {
      width,
      height,
      channels: 4,
      data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    };
  } finally {
    pictures.dispose();
  }
}
