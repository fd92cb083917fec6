import sharp, { type Metadata, type Sharp } from 'sharp';
import { asStill } from './avif.ts';
import { firstFrame } from './gif.ts';
import { decodeHeic } from './heic.ts';
import { pngOfJxl } from './jxl.ts';
import { toLevels } from './levels.ts';
import { decodeNetpbm } from './netpbm.ts';
import { withoutTexts, withVisibleColour } from './png.ts';
import { checkSize, empty, notAnImage, refusalOf, unsupported } from './refusals.ts';
import type { Raster } from './resize.ts';
import { signatureOf } from './signature.ts';
import { isPaletteTiff, tiffFacts, unreadKind } from './tiff.ts';
import { type DecodeOptions, MAX_PIXELS } from './types.ts';

/**
 * The pixels of an encoded picture, as 8-bit sRGB. JPEG, PNG, WebP, GIF, TIFF and AVIF are decoded by sharp, HEIC by libheif and
 * JPEG XL by jxl-oxide in WebAssembly, binary PGM and PPM by this package. Of an animation, the first frame is decoded. CMYK (through its colour profile) and more than 8 bits are converted.
 * Decoding runs in the calling process, without limits of time or memory; `createImageLoader` has both. Throws `DataError`: `image/empty`,
 * `image/not-an-image`, `image/unsupported`, `image/range`, `image/too-large`, `image/too-much-memory`, `image/truncated`.
 */
export async function decode(
  bytes: Uint8Array,
  { exif = true, maxPixels = MAX_PIXELS }: DecodeOptions = {},
): Promise<Raster> {
  if (bytes.length === 0) throw empty();
  // The format is checked first, because libvips would begin to render an SVG, which can take hours.
  const signature = signatureOf(bytes);
  if (!signature) throw notAnImage();
  if (!signature.read) throw unsupported(signature.name);
  try {
    if (signature.name === 'PPM') return decodeNetpbm(bytes, maxPixels);
    const decodeFormat = signature.name === 'HEIC' ? decodeHeic : decodeBySharp;
    const own = await readable(bytes, signature.name, maxPixels);
    return withoutOpaqueAlpha(await decodeFormat(own, { exif, maxPixels }));
  } catch (cause) {
    throw refusalOf(cause, signature.name);
  }
}

/** The bytes in a form that the decoder reads. */
async function readable(bytes: Uint8Array, format: string, maxPixels: number): Promise<Uint8Array> {
  if (format === 'PNG') return withVisibleColour(withoutTexts(bytes));
  if (format === 'JPEG XL') return pngOfJxl(bytes, maxPixels);
  return format === 'AVIF' ? asStill(bytes) : bytes;
}

async function decodeBySharp(
  bytes: Uint8Array,
  { exif, maxPixels }: Required<DecodeOptions>,
): Promise<Raster> {
  const signature = signatureOf(bytes)?.name;
  const tiff = signature === 'TIFF' ? tiffFacts(bytes) : undefined;
  const unread = unreadKind(tiff);
  if (unread) throw unsupported(unread);
  const metadata = await sharp(bytes, { limitInputPixels: false }).metadata();
  const { width, height, space } = metadata;
  checkSize(width, metadata.pageHeight ?? height, maxPixels);
  // Pillow and the reference CLIP ignore colour profiles. CMYK cannot be converted without its profile.
  // libvips reports a truncated TIFF at the level `error`, not `truncated`.
  const input = {
    failOn: 'error' as const,
    limitInputPixels: false,
    ignoreIcc: space !== 'cmyk',
    pages: 1,
  };
  // A TIFF is always turned, as in Pillow: its orientation is part of the format.
  const picture = sharp(bytes, { ...input, autoOrient: exif || tiff !== undefined });
  const depth = depthOf(metadata);
  const { data, info } = await withColours(picture, metadata)
    .raw({ depth })
    .toBuffer({ resolveWithObject: true });
  const raster: Raster = {
    width: info.width,
    height: info.height,
    channels: info.channels as Raster['channels'],
    palette: metadata.isPalette === true || metadata.bitsPerSample === 1 || isPaletteTiff(tiff),
    data: levelsOf(data, depth, info.channels),
  };
  return signature === 'GIF' ? firstFrame(raster, bytes) : raster;
}

type Depth = keyof typeof SAMPLES;

const SAMPLES = {
  uchar: Uint8Array,
  ushort: Uint16Array,
  int: Int32Array,
  uint: Uint32Array,
  float: Float32Array,
};

/** The number type that pixels are read as: the file's own type if this module converts it to 8 bits, else 8-bit. */
function depthOf({ depth, format, space }: Metadata): Depth {
  const own = (format === 'tiff' || format === 'png') && space !== 'cmyk' && depth in SAMPLES;
  return own ? (depth as Depth) : 'uchar';
}

function levelsOf(data: Buffer, depth: Depth, channels: number): Uint8Array {
  const Numbers = SAMPLES[depth];
  const samples = new Numbers(
    data.buffer as ArrayBuffer,
    data.byteOffset,
    data.byteLength / Numbers.BYTES_PER_ELEMENT,
  );
  return samples instanceof Uint8Array ? samples : toLevels(samples, channels);
}

/**
 * Grey without alpha keeps its one channel. Everything else becomes RGB, also grey with alpha, because sharp's raw output would drop
 * that alpha.
 */
function withColours(picture: Sharp, metadata: Metadata): Sharp {
  const { space, hasAlpha } = metadata;
  const grey = (space === 'b-w' || space === 'grey16') && !hasAlpha;
  const [one, three] = { uchar: ['b-w', 'srgb'], ushort: ['grey16', 'rgb16'] }[
    depthOf(metadata) as string
  ] ?? ['b-w', space];
  return picture.toColourspace(grey ? one : three);
}

/** Removes an alpha channel that is opaque everywhere: it would only make resizing slower. */
function withoutOpaqueAlpha(raster: Raster): Raster {
  const { channels, data } = raster;
  if (channels !== 4) return raster;
  for (let at = 3; at < data.length; at += 4) if (data[at] !== 255) return raster;
  // In place, because a copy would double the memory.
  let to = 0;
  for (let from = 0; from < data.length; from += 4, to += 3) {
    data[to] = data[from]!;
    data[to + 1] = data[from + 1]!;
    data[to + 2] = data[from + 2]!;
  }
  return { ...raster, channels: 3, data: data.subarray(0, to) };
}

/** A JPEG of a picture, reduced to `side` pixels on its longer side and turned by its EXIF orientation. Throws as `decode`. */
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
