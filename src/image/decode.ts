import sharp, { type Metadata, type Sharp } from 'sharp';
import { DataError } from '../errors.ts';
import { decodeHeic } from './heic.ts';
import type { Raster } from './resize.ts';
import { signatureOf } from './signature.ts';

export interface DecodeOptions {
  /** Turn the picture as its EXIF orientation says. The reference CLIP does not. */
  readonly exif?: boolean;
  /** Larger pictures are refused before they are decoded. */
  readonly maxPixels?: number;
}

/** 100 megapixels: more than any phone takes, less than would fill the memory. */
const MAX_PIXELS = 100_000_000;

/** A thread that is in libvips cannot be ended from outside: libvips itself gives up after this, so that every program ends. */
const MOST_SECONDS = 20;

/**
 * The pixels of an encoded picture: JPEG, PNG, WebP, GIF, TIFF, AVIF by sharp, HEIC by libheif in WebAssembly. Of an
 * animation, the first frame; CMYK (through its colour profile) and 16-bit pictures become 8-bit sRGB. Throws `DataError`:
 * `image/empty`, `image/not-an-image`, `image/unsupported`, `image/too-large`, `image/truncated`, `image/too-slow`.
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
  // libvips guesses what it is given: an SVG would be laid out, for hours if it is meant to, before anything else is known of it.
  const signature = signatureOf(bytes);
  if (!signature) throw notAnImage();
  if (!signature.read) throw unsupported(signature.name);
  if (signature.name === 'HEIC') {
    return withoutOpaqueAlpha(
      await decodeHeic(bytes, (width, height) => checkSize(width, height, maxPixels)),
    );
  }
  const metadata = await sharp(bytes, { limitInputPixels: false })
    .metadata()
    .catch((cause) => {
      throw truncated(cause);
    });
  const { width, height, space } = metadata;
  checkSize(width, metadata.pageHeight ?? height, maxPixels);
  // Pillow and the reference CLIP ignore colour profiles; without its profile CMYK would be guesswork.
  // A TIFF cut short is an `error` for libvips, not `truncated`.
  const input = {
    failOn: 'error' as const,
    limitInputPixels: false,
    ignoreIcc: space !== 'cmyk',
    pages: 1,
  };
  const picture = sharp(bytes, { ...input, autoOrient: exif });
  try {
    const { data, info } = await eightBit(picture, metadata, bytes)
      .timeout({ seconds: MOST_SECONDS })
      .raw()
      .toBuffer({ resolveWithObject: true });
    return withoutOpaqueAlpha({
      width: info.width,
      height: info.height,
      channels: info.channels as Raster['channels'],
      palette: usesPalette(metadata),
      data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    });
  } catch (cause) {
    throw (cause as Error).message.startsWith('timeout') ? tooSlow(cause) : truncated(cause);
  }
}

function notAnImage(): DataError {
  return new DataError('The file is not a picture that can be read', {
    code: 'image/not-an-image',
    hint: 'Its name may say otherwise, but its contents are not JPEG, PNG, WebP, GIF, TIFF, AVIF or HEIC.',
  });
}

function truncated(cause: unknown): DataError {
  return new DataError('The picture is cut short or damaged', {
    code: 'image/truncated',
    hint: 'Copy or download it again.',
    cause,
  });
}

function tooSlow(cause: unknown): DataError {
  return new DataError(`The picture takes longer than ${MOST_SECONDS} s to decode`, {
    code: 'image/too-slow',
    hint: 'Make it smaller first, or save it as JPEG or PNG.',
    cause,
  });
}

function unsupported(format: string): DataError {
  return new DataError(`${format} is not among the formats that are read`, {
    code: 'image/unsupported',
    hint: 'Save it as JPEG or PNG first.',
    details: { format },
  });
}

const PNG_COLOUR_TYPE = 25;
const PNG_RGB = 2;

/**
 * One grey channel stays one (with alpha it is spread, as sharp's raw output would drop that); all else is red, green, blue.
 * The colour that a PNG without an alpha channel declares to be transparent stays visible, as for Pillow.
 */
function eightBit(picture: Sharp, { space, format, hasAlpha }: Metadata, bytes: Uint8Array): Sharp {
  const keyed = format === 'png' && bytes[PNG_COLOUR_TYPE] <= PNG_RGB;
  const grey = (space === 'b-w' || space === 'grey16') && (!hasAlpha || keyed);
  return (keyed ? picture.removeAlpha() : picture).toColourspace(grey ? 'b-w' : 'srgb');
}

/** For Pillow, the first frame of a GIF is a palette picture too, and black-and-white ones are resized as those are. */
function usesPalette({ isPalette, format, bitsPerSample }: Metadata): boolean {
  return isPalette === true || format === 'gif' || bitsPerSample === 1;
}

/** Alpha that hides nothing changes nothing but the time that resizing takes. */
function withoutOpaqueAlpha(raster: Raster): Raster {
  const { channels, data } = raster;
  if (channels !== 4) return raster;
  for (let at = 3; at < data.length; at += 4) if (data[at] !== 255) return raster;
  const rgb = new Uint8Array((data.length / 4) * 3);
  for (let from = 0, to = 0; from < data.length; from += 4, to += 3) {
    rgb[to] = data[from];
    rgb[to + 1] = data[from + 1];
    rgb[to + 2] = data[from + 2];
  }
  return { ...raster, channels: 3, data: rgb };
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
