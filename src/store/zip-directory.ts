import { TextDecoder } from 'node:util';
import { crc32 } from 'node:zlib';

/** One entry of a zip's central directory (APPNOTE 6.3, section 4.3.12). */
export interface ZipRecord {
  rawName: Buffer;
  /** The name in Unicode, if an extra field gives one. */
  unicodeName?: Buffer;
  isUtf8: boolean;
  isEncrypted: boolean;
  isLink: boolean;
  /** Compression method: 0 stored, 8 deflated. */
  method: number;
  crc: number;
  compressedSize: number;
  size: number;
  /** Position of the local header, from the start of the file. */
  offset: number;
}

export type ReadAt = (position: number, length: number) => Promise<Buffer>;

export type Fail = (code: string, what: string) => never;

interface Directory {
  start: number;
  length: number;
  count: number;
  /** Number of bytes before the zip, such as a program that unpacks it. Offsets inside the zip do not include them. */
  prefix: number;
}

const END = 22;
const ZIP64_LOCATOR = 20;
const ZIP64_END = 56;
const LONGEST_COMMENT = 0xffff;

/** Finds the central directory from the end of the file. */
export async function locateDirectory(readAt: ReadAt, fileSize: number, fail: Fail): Promise<Directory> {
  const length = Math.min(fileSize, END + LONGEST_COMMENT + ZIP64_LOCATOR);
  const tail = await readAt(fileSize - length, length);
  for (let at = tail.length - END; at >= 0; at--) {
    if (tail.readUInt32LE(at) !== 0x06054b50 || at + END + tail.readUInt16LE(at + 20) > tail.length) continue;
    const tailStart = fileSize - length;
    const locator = at - ZIP64_LOCATOR;
    if (locator < 0 || tail.readUInt32LE(locator) !== 0x07064b50) {
      const [entries, bytes] = [tail.readUInt16LE(at + 10), tail.readUInt32LE(at + 12)];
      return placed(readAt, tailStart + at, entries, bytes, tail.readUInt32LE(at + 16));
    }
    const stated = number64(tail, locator + 8, fail);
    // After a prefix, the end record is directly before its locator.
    for (const position of [stated, tailStart + locator - ZIP64_END]) {
      if (position + ZIP64_END > fileSize) continue;
      const end = await readAt(position, ZIP64_END);
      if (end.readUInt32LE(0) !== 0x06064b50) continue;
      const [entries, bytes] = [number64(end, 32, fail), number64(end, 40, fail)];
      return placed(readAt, position, entries, bytes, number64(end, 48, fail));
    }
    fail('damaged', 'its zip64 end record is misplaced');
  }
  return fail('not-a-zip', 'it has no end record');
}

/** The directory. If bytes precede the zip, it is directly before its end record. */
async function placed(
  readAt: ReadAt,
  end: number,
  count: number,
  length: number,
  stated: number,
): Promise<Directory> {
  const prefix = end - length - stated;
  const isShifted =
    prefix > 0 && length >= 4 && (await readAt(stated + prefix, 4)).readUInt32LE(0) === 0x02014b50;
  const isStated = length >= 4 && (await readAt(stated, 4)).readUInt32LE(0) === 0x02014b50;
  return isShifted && !isStated
    ? { start: stated + prefix, length, count, prefix }
    : { start: stated, length, count, prefix: 0 };
}

/** The `count` entries of a central directory. */
export function parseDirectory(bytes: Buffer, { count, prefix }: Directory, fail: Fail): ZipRecord[] {
  const records: ZipRecord[] = [];
  let at = 0;
  for (let k = 0; k < count; k++) {
    if (at + 46 > bytes.length || bytes.readUInt32LE(at) !== 0x02014b50)
      fail('damaged', 'its directory is damaged');
    const nameEnd = at + 46 + bytes.readUInt16LE(at + 28);
    const extraEnd = nameEnd + bytes.readUInt16LE(at + 30);
    if (extraEnd > bytes.length) fail('damaged', 'its directory is damaged');
    const record = parseRecord(bytes, at, nameEnd, extraFields(bytes.subarray(nameEnd, extraEnd)), fail);
    records.push({ ...record, offset: record.offset + prefix });
    at = extraEnd + bytes.readUInt16LE(at + 32);
  }
  return records;
}

function parseRecord(
  bytes: Buffer,
  at: number,
  nameEnd: number,
  extra: Map<number, Buffer>,
  fail: Fail,
): ZipRecord {
  const flags = bytes.readUInt16LE(at + 8);
  const rawName = bytes.subarray(at + 46, nameEnd);
  // Sizes and offset that do not fit 32 bits are in the zip64 field, in this order.
  const wide = extra.get(0x0001) ?? Buffer.alloc(0);
  let used = 0;
  const number = (value: number) => {
    if (value !== 0xffffffff) return value;
    if (used + 8 > wide.length) fail('damaged', 'its zip64 sizes are missing');
    used += 8;
    return number64(wide, used - 8, fail);
  };
  const size = number(bytes.readUInt32LE(at + 24));
  const compressedSize = number(bytes.readUInt32LE(at + 20));
  const offset = number(bytes.readUInt32LE(at + 42));
  const madeOnUnix = bytes[at + 5] === 3;
  const fileType = (bytes.readUInt32LE(at + 38) >>> 28) & 0xf;
  return {
    rawName,
    unicodeName: unicodeName(extra.get(0x7075), rawName),
    isUtf8: (flags & 0x800) !== 0,
    isEncrypted: (flags & 1) !== 0,
    isLink: madeOnUnix && fileType === 0xa,
    method: bytes.readUInt16LE(at + 10),
    crc: bytes.readUInt32LE(at + 16),
    compressedSize,
    size,
    offset,
  };
}

function extraFields(bytes: Buffer): Map<number, Buffer> {
  const fields = new Map<number, Buffer>();
  for (let at = 0; at + 4 <= bytes.length; at += 4 + bytes.readUInt16LE(at + 2)) {
    fields.set(bytes.readUInt16LE(at), bytes.subarray(at + 4, at + 4 + bytes.readUInt16LE(at + 2)));
  }
  return fields;
}

/** The name in Info-ZIP's Unicode path field, which holds version 1, the CRC of the raw name, and the name. */
function unicodeName(field: Buffer | undefined, rawName: Buffer): Buffer | undefined {
  return field && field.length > 5 && field[0] === 1 && field.readUInt32LE(1) === crc32(rawName)
    ? field.subarray(5)
    : undefined;
}

function number64(bytes: Buffer, at: number, fail: Fail): number {
  const value = bytes.readBigUInt64LE(at);
  return value <= BigInt(Number.MAX_SAFE_INTEGER)
    ? Number(value)
    : fail('damaged', 'its zip64 sizes are larger than any file');
}

/** Upper half of code page 437, which the standard prescribes for names without the UTF-8 flag. */
const CP437 =
  'ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0';

/** The name of an entry. */
export interface ZipName {
  /** With forward slashes. */
  name: string;
  /** Whether the encoding of the name is unknown. */
  isGuessed: boolean;
}

/**
 * The name of an entry as text. It is UTF-8 if the entry says so or the name is valid UTF-8, otherwise `encoding`, or else code page 437.
 * Some programs write UTF-8 without the flag, and names in other encodings are hardly ever valid UTF-8.
 */
export function decodeName(
  { rawName, unicodeName: unicode, isUtf8 }: ZipRecord,
  encoding?: TextDecoder,
): ZipName {
  const [text, isGuessed] =
    unicode !== undefined || isUtf8
      ? [LENIENT.decode(unicode ?? rawName), false]
      : (decoded(rawName, STRICT) ?? decoded(rawName, encoding) ?? [inCp437(rawName), true]);
  return { name: text.replaceAll('\\', '/'), isGuessed };
}

const LENIENT = new TextDecoder('utf-8');
const STRICT = new TextDecoder('utf-8', { fatal: true });

function decoded(bytes: Buffer, decoder?: TextDecoder): [string, false] | undefined {
  try {
    return decoder && [decoder.decode(bytes), false];
  } catch {
    return undefined;
  }
}

function inCp437(bytes: Buffer): string {
  return Array.from(bytes, (byte) => (byte < 128 ? String.fromCharCode(byte) : CP437[byte - 128])).join('');
}
