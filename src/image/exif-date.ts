/** The marks before the TIFF structure of Exif in a picture file (JPEG and HEIC, PNG, WebP), each with the distance to it in bytes. */
const MARKS = [
  ['Exif\0\0', 6],
  ['eXIf', 4],
  ['EXIF', 8],
] as const;

/** Tags (Exif 2.32, tables 4 and 7). */
const DATE = 0x0132;
const EXIF_IFD = 0x8769;
const DATE_ORIGINAL = 0x9003;

/**
 * When a photo was taken, to the second, by its Exif data: `2024-05-17T10:22:31`, in the camera's own time. `bytes` are the beginning of
 * the file. Undefined without such data. Malformed data count as none.
 */
export function takenAt(bytes: Uint8Array): string | undefined {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const start = tiffStart(file);
  if (start === undefined) return undefined;
  const tiff = file.subarray(start);
  const isLittle = tiff[0] === 0x49;
  const u16 = (at: number) => (isLittle ? tiff.readUInt16LE(at) : tiff.readUInt16BE(at));
  const u32 = (at: number) => (isLittle ? tiff.readUInt32LE(at) : tiff.readUInt32BE(at));
  /** The value, or the offset of the value, of a tag of the directory at `ifd`. */
  const valueAt = (ifd: number, tag: number): number | undefined => {
    const entries = u16(ifd);
    for (let i = 0; i < entries; i++) {
      const entry = ifd + 2 + 12 * i;
      if (u16(entry) === tag) return u32(entry + 8);
    }
    return undefined;
  };
  const dateAt = (offset: number | undefined) =>
    offset === undefined ? undefined : dateOf(tiff.toString('latin1', offset, offset + 19));
  try {
    const first = u32(4);
    const exif = valueAt(first, EXIF_IFD);
    const original = exif === undefined ? undefined : valueAt(exif, DATE_ORIGINAL);
    return dateAt(original) ?? dateAt(valueAt(first, DATE));
  } catch (error) {
    // An offset beyond the bytes.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function tiffStart(file: Buffer): number | undefined {
  const isTiff = (at: number) => ['II*\0', 'MM\0*'].includes(file.toString('latin1', at, at + 4));
  for (const [mark, length] of MARKS) {
    const at = file.indexOf(mark, 0, 'latin1');
    if (at >= 0 && isTiff(at + length)) return at + length;
  }
  return isTiff(0) ? 0 : undefined;
}

/** `2024:05:17 10:22:31` with the separators of ISO 8601. Cameras without a clock write zeros. */
function dateOf(text: string): string | undefined {
  const [whole, year, month, day, time] = /^(\d{4}):(\d\d):(\d\d) (\d\d:\d\d:\d\d)$/.exec(text) ?? [];
  const isDate = whole !== undefined && Number(year) > 1900 && Number(month) > 0 && Number(day) > 0;
  return isDate ? `${year}-${month}-${day}T${time}` : undefined;
}
