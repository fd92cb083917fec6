import { DataError, systemCode, TipAdapterError } from '../errors.ts';

/** Longest side of a picture, in pixels. It is limited because decoding holds several whole rows in memory. */
const LONGEST_SIDE = 100_000;

/** Throws `DataError` `image/too-large` if a picture has too many pixels or too long a side. */
export function checkSize(width: number, height: number, maxPixels: number): void {
  const longest = Math.max(width, height);
  if (width * height <= maxPixels && longest <= LONGEST_SIDE) return;
  const mega = Math.round((width * height) / 1e6);
  const what =
    longest > LONGEST_SIDE
      ? `${width} x ${height} pixels; the limit of a side is ${LONGEST_SIDE}`
      : `${width} x ${height} pixels (${mega} megapixels); the limit is ${maxPixels / 1e6}`;
  throw new DataError(`The picture has ${what}`, {
    code: 'image/too-large',
    hint: 'Make the picture smaller first.',
    details: { width, height, maxPixels },
  });
}

export function empty(): DataError {
  return new DataError('The file is empty (0 bytes)', {
    code: 'image/empty',
    hint: 'Copy or download the picture again.',
  });
}

export function notAnImage(): DataError {
  return new DataError('The file is not a picture that can be read', {
    code: 'image/not-an-image',
    hint: 'Give a JPEG, PNG, WebP, GIF, TIFF, AVIF, HEIC, JPEG XL, PGM or PPM file. The contents decide, not the name.',
  });
}

export function unsupported(format: string, cause?: unknown): DataError {
  return new DataError(`The format ${format} is not supported`, {
    code: 'image/unsupported',
    hint: 'Save the picture as JPEG or PNG first.',
    details: { format },
    cause,
  });
}

export function tooSlow(seconds: number): DataError {
  return new DataError(`The picture takes longer than ${seconds} s to decode`, {
    code: 'image/too-slow',
    hint: 'Make the picture smaller first, or save it as JPEG or PNG.',
  });
}

/** @param bytes memory limit of a decoder */
export function tooMuchMemory(bytes?: number, cause?: unknown): DataError {
  const most = bytes === undefined ? 'there is' : `the ${Math.round(bytes / 1e6)} MB that a decoder may take`;
  return new DataError(`The picture needs more memory than ${most}`, {
    code: 'image/too-much-memory',
    hint: 'Make the picture smaller first, or save it as JPEG or as a PNG that is not interlaced.',
    cause,
  });
}

/** Names of the errors that decoding libraries throw. Other errors are bugs of this package. */
const OF_LIBRARIES = ['Error', 'RuntimeError'];

/**
 * The `DataError` of a decoding library's failure if the picture is the cause. Every other failure is returned unchanged.
 */
export function refusalOf(cause: unknown, format: string): unknown {
  if (cause instanceof TipAdapterError || !(cause instanceof Error)) return cause;
  const { name, message } = cause;
  if (/out of memory|allocat|OOM/i.test(message)) return tooMuchMemory(undefined, cause);
  // The error of a missing module has a system code; that of a damaged picture has none.
  if (!OF_LIBRARIES.includes(name) || systemCode(cause)) return cause;
  // sharp reports this for every file whose beginning libvips does not recognise, even if its first bytes are those of a supported format.
  const unrecognised = message.includes('unsupported image format');
  if (
    !unrecognised &&
    /unsupported|not supported|unimplemented|not implemented|unknown compression/i.test(message)
  )
    return unsupported(`of this kind of ${format}`, cause);
  const what = unrecognised ? `truncated, damaged, or an unusual kind of ${format}` : 'truncated or damaged';
  return new DataError(`The picture is ${what}`, {
    code: 'image/truncated',
    hint: 'Copy or download the picture again.',
    details: { format, reason: message.split('\n', 1)[0]!.slice(0, 200) },
    cause,
  });
}
