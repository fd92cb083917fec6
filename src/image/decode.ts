import sharp, { type Metadata, type Sharp } from 'sharp';
import { DataError } from '../errors.ts';
import type { Raster } from './resize.ts';

export interface DecodeOptions {
  /** Turn the picture as its EXIF orientation says. The reference CLIP does not. */
  readonly exif?: boolean;
  /** Larger pictures are refused before they are decoded. */
  readonly maxPixels?: number;
}

/** 100 megapixels: more than any phone takes, less than would fill the memory. */
const MAX_PIXELS = 100_000_000;

/**
 * The pixels of an encoded picture: JPEG, PNG, WebP, GIF, TIFF, AVIF by sharp, HEIC by libheif in WebAssembly. Of an
 * animation, the first frame; CMYK and 16-bit pictures become 8-bit sRGB. Throws `DataError`: `image/empty`,
 * `image/not-an-image`, `image/unsupported`, `image/too-large`, `image/truncated`.
 */
export async function decode(
  bytes: Uint8Array,
  { exif = true, maxPixels = MAX_PIXELS }: DecodeOptions = {},
): Promise<Raster> {
  if (bytes.length === 0) {
    throw new DataError('The file is empty (0 bytes)', {
      code: 'image/empty',
      hint: 'Copy or download the picture again.',
    });
  }
  if (isHeic(bytes)) return decodeHeic(bytes, maxPixels);
  const metadata = await sharp(bytes, { limitInputPixels: false })
    .metadata()
    .catch((cause) => {
      throw new DataError('The file is not a picture that can be read', {
        code: 'image/not-an-image',
        hint: 'Its name may say otherwise, but its contents are not JPEG, PNG, WebP, GIF, TIFF, AVIF or HEIC.',
        cause,
      });
    });
  const { format, width, height, space } = metadata;
  if (format === 'svg' || format === 'pdf') {
    throw new DataError(`${format.toUpperCase()} is a drawing, not a picture`, {
      code: 'image/unsupported',
      hint: 'Save it as PNG first.',
    });
  }
  checkSize(width, metadata.pageHeight ?? height, maxPixels);
  // Pillow and the reference CLIP ignore colour profiles; without its profile CMYK would be guesswork.
  const input = {
    failOn: 'truncated' as const,
    limitInputPixels: false,
    ignoreIcc: space !== 'cmyk',
    pages: 1,
  };
  const picture = sharp(bytes, { ...input, autoOrient: exif });
  try {
    const { data, info } = await eightBit(picture, metadata).raw().toBuffer({ resolveWithObject: true });
    const channels = info.channels as Raster['channels'];
    return {
      width: info.width,
      height: info.height,
      channels,
      palette: usesPalette(metadata),
      data: new Uint8Array(data),
    };
  } catch (cause) {
    throw new DataError('The picture is cut short or damaged', {
      code: 'image/truncated',
      hint: 'Copy or download it again.',
      cause,
    });
  }
}

/** One grey channel stays one; everything else is red, green, blue. */
function eightBit(picture: Sharp, { space }: Metadata): Sharp {
  return picture.toColourspace(space === 'b-w' || space === 'grey16' ? 'b-w' : 'srgb');
}

/** GIF's first frame is a palette picture for Pillow as well. */
function usesPalette({ isPalette, format }: Metadata): boolean {
  return isPalette === true || format === 'gif';
}

function checkSize(width: number, height: number, maxPixels: number): void {
  if (width * height <= maxPixels) return;
  const mega = Math.round((width * height) / 1e6);
  throw new DataError(
    `The picture has ${width} x ${height} pixels (${mega} megapixels); the limit is ${maxPixels / 1e6}`,
    {
      code: 'image/too-large',
      hint: 'Make it smaller first.',
      details: { width, height, maxPixels },
    },
  );
}

/** ISO media files whose first brand is one of HEVC-coded pictures; AVIF is left to sharp. */
function isHeic(bytes: Uint8Array): boolean {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 64)).toString('latin1');
  return (
    head.slice(4, 8) === 'ftyp' &&
    /^(heic|heix|hevc|hevx|heim|heis|mif1|msf1)/.test(head.slice(8)) &&
    !head.includes('avif')
  );
}

/** libheif turns the picture itself: its orientation is part of the format, not of EXIF. */
async function decodeHeic(bytes: Uint8Array, maxPixels: number): Promise<Raster> {
  const { default: heic } = await import('heic-decode');
  const damaged = (cause: unknown) =>
    new DataError('The HEIC picture is cut short or damaged', {
      code: 'image/truncated',
      hint: 'Copy it again, or export it as JPEG.',
      cause,
    });
  const pictures = await heic.all({ buffer: bytes }).catch((cause) => {
    throw damaged(cause);
  });
  try {
    const [first] = pictures;
    if (!first) throw damaged('no picture inside');
    checkSize(first.width, first.height, maxPixels);
    const { width, height, data } = await first.decode().catch((cause) => {
      throw damaged(cause);
    });
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

/** A small JPEG of a picture whose longer side has `side` pixels, turned the right way. */
export async function thumbnail(
  bytes: Uint8Array,
  side: number,
  options: DecodeOptions = {},
): Promise<Uint8Array> {
  const { width, height, channels, data } = await decode(bytes, { exif: true, ...options });
  const picture = sharp(data, { raw: { width, height, channels } }).flatten({ background: '#ffffff' });
  const small = picture.resize(side, side, { fit: 'inside', withoutEnlargement: true });
  return new Uint8Array(await small.jpeg({ quality: 72 }).toBuffer());
}
