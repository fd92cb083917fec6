import sharp, { type Metadata, type Sharp } from 'sharp';
import { decodeHeic } from './heic.ts';
import { withoutTexts } from './png.ts';
import { checkSize, empty, notAnImage, refusalOf, unsupported } from './refusals.ts';
import type { Raster } from './resize.ts';
import { signatureOf } from './signature.ts';
import { type DecodeOptions, MAX_PIXELS } from './types.ts';

/**
 * The pixels of an encoded picture: JPEG, PNG, WebP, GIF, TIFF, AVIF by sharp, HEIC by libheif in WebAssembly. Of an
 * animation, the first frame; CMYK (through its colour profile) and 16-bit pictures become 8-bit sRGB. This works in the
 * calling process, without a limit of time or memory: `createImageLoader` has both. Throws `DataError`: `image/empty`,
 * `image/not-an-image`, `image/unsupported`, `image/too-large`, `image/too-much-memory`, `image/truncated`.
 */
export async function decode(
  bytes: Uint8Array,
  { exif = true, maxPixels = MAX_PIXELS }: DecodeOptions = {},
): Promise<Raster> {
  if (bytes.length === 0) throw empty();
  // libvips guesses the format: it would lay out an SVG, which can take hours, before anything else is known of it.
  const signature = signatureOf(bytes);
  if (!signature) throw notAnImage();
  if (!signature.read) throw unsupported(signature.name);
  try {
    const decodeFormat = signature.name === 'HEIC' ? decodeHeic : decodeBySharp;
    return withoutOpaqueAlpha(await decodeFormat(readable(bytes, signature.name), { exif, maxPixels }));
  } catch (cause) {
    throw refusalOf(cause, signature.name);
  }
}

/** The bytes as the decoder takes them. */
function readable(bytes: Uint8Array, format: string): Uint8Array {
  return format === 'PNG' ? withoutTexts(bytes) : bytes;
}

async function decodeBySharp(
  bytes: Uint8Array,
  { exif, maxPixels }: Required<DecodeOptions>,
): Promise<Raster> {
  const metadata = await sharp(bytes, { limitInputPixels: false }).metadata();
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
  const { data, info } = await eightBit(picture, metadata, bytes).raw().toBuffer({ resolveWithObject: true });
  return {
    width: info.width,
    height: info.height,
    channels: info.channels as Raster['channels'],
    palette: usesPalette(metadata),
    data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  };
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
  // In place: a second picture of that size would be most of the memory.
  let to = 0;
  for (let from = 0; from < data.length; from += 4, to += 3) {
    data[to] = data[from];
    data[to + 1] = data[from + 1];
    data[to + 2] = data[from + 2];
  }
  return { ...raster, channels: 3, data: data.subarray(0, to) };
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
