/** The pixel format in the first directory of a TIFF or BigTIFF (TIFF 6.0, sections 2 and 8). */
export interface TiffFacts {
  /** 0 and 1 grey, 2 RGB, 3 palette, 5 CMYK, 6 YCbCr, 8 to 10 Lab. */
  readonly photometric: number;
  /** 7 JPEG. */
  readonly compression: number;
  readonly bits: number;
  /** 1 unsigned, 2 signed, 3 floating point, 4 undefined. */
  readonly format: number;
  readonly channels: number;
}

const BITS = 258;
const COMPRESSION = 259;
const PHOTOMETRIC = 262;
const CHANNELS = 277;
const FORMAT = 339;
const JPEG = 7;

/** Field type of 16-bit values, a single one or several. */
const SHORT = 3;

/** The facts of a TIFF; undefined if its directory is not in the file. */
export function tiffFacts(bytes: Uint8Array): TiffFacts | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const little = bytes[0] === 0x49;
  const big = view.getUint16(2, little) === 43;
  const offset = (at: number) => (big ? Number(view.getBigUint64(at, little)) : view.getUint32(at, little));
  const [entry, inside] = big ? [20, 8] : [12, 4];
  const tags = new Map<number, number>();
  try {
    const start = offset(big ? 8 : 4);
    const count = big ? offset(start) : view.getUint16(start, little);
    const first = start + (big ? 8 : 2);
    for (let i = 0; i < count; i++) {
      const at = first + i * entry;
      const type = view.getUint16(at + 2, little);
      const values = offset(at + 4);
      const place = at + entry - inside;
      if (type === SHORT)
        tags.set(
          view.getUint16(at, little),
          view.getUint16(2 * values > inside ? offset(place) : place, little),
        );
    }
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
  return {
    photometric: tags.get(PHOTOMETRIC) ?? 1,
    compression: tags.get(COMPRESSION) ?? 1,
    bits: tags.get(BITS) ?? 1,
    format: tags.get(FORMAT) ?? 1,
    channels: tags.get(CHANNELS) ?? 1,
  };
}

const UNSIGNED: readonly number[] = [1, 2, 4, 8, 16, 32];

/** Kind of samples by their format, and the numbers of bits that are read. libvips would silently turn negative numbers of fewer bits into black. */
const KINDS: Readonly<Record<number, readonly [name: string, bits: readonly number[]]>> = {
  1: ['numbers', UNSIGNED],
  2: ['signed numbers', [32]],
  3: ['floating-point numbers', [32]],
  4: ['numbers', UNSIGNED],
};

/** Whether pixels are indices into a colour table. */
export function isPaletteTiff(facts: TiffFacts | undefined): boolean {
  return facts?.photometric === 3;
}

/** The kind of a TIFF that libvips refuses or silently misreads, in words; undefined if libvips reads it correctly. */
export function unreadKind(facts: TiffFacts | undefined): string | undefined {
  if (!facts) return undefined;
  const { photometric, compression, bits, format, channels } = facts;
  if (photometric === 6 && compression !== JPEG) return 'TIFF in YCbCr without JPEG compression';
  if (photometric >= 8 && photometric <= 10) return 'TIFF in Lab';
  const [kind, widths] = KINDS[format] ?? ['numbers', []];
  if (!widths.includes(bits)) return `TIFF with ${kind} of ${bits} bits`;
  if (bits === 32 && channels === 2) return 'TIFF with grey and transparency of 32 bits';
  return undefined;
}
