import { crc32, deflateSync } from 'node:zlib';

/** A chunk of a PNG. */
function pngChunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const around = Buffer.alloc(8);
  around.writeUInt32BE(data.length);
  around.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([around.subarray(0, 4), body, around.subarray(4)]);
}

interface PngFacts {
  readonly width: number;
  readonly height: number;
  /** 0 grey, 2 RGB. */
  readonly colourType: 0 | 2;
  /** Bits of a sample (default 8). */
  readonly depth?: 1 | 8;
  /** Its rows, each after a zero (default: all black). */
  readonly rows?: Uint8Array;
  /** The colour that it declares to be transparent: a level, or red, green and blue. */
  readonly transparent?: readonly number[];
  /** Number of compressed texts; each has `bytesOfText` bytes uncompressed. */
  readonly texts?: number;
  readonly bytesOfText?: number;
}

/** A PNG in as few bytes as possible. */
export function pngOf({
  width,
  height,
  colourType,
  depth = 8,
  rows = Buffer.alloc((1 + width * (colourType === 2 ? 3 : 1)) * height),
  transparent,
  texts = 0,
  bytesOfText = 0,
}: PngFacts): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width);
  header.writeUInt32BE(height, 4);
  header.set([depth, colourType], 8);
  const text = pngChunk(
    'zTXt',
    Buffer.concat([Buffer.from('Comment\0\0', 'latin1'), deflateSync(Buffer.alloc(bytesOfText, 'a'))]),
  );
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    pngChunk('IHDR', header),
    ...Array<Buffer>(texts).fill(text),
    ...(transparent ? [pngChunk('tRNS', Buffer.from(transparent.flatMap((level) => [0, level])))] : []),
    pngChunk('IDAT', deflateSync(rows)),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}
