import type { Raster } from './resize.ts';

/** Colours and position of the first frame of a GIF89a (https://www.w3.org/Graphics/GIF/spec-gif89a.txt, sections 18 to 23). */
interface GifFacts {
  /** Whether the colour table counts from black to white, so that its indices are levels of grey. */
  readonly grey: boolean;
  /** Colour (red, green, blue) of transparent pixels and of pixels outside the frame. */
  readonly hidden: readonly [number, number, number];
  /** Position of the frame: pixels from the left and from the top, width and height. */
  readonly frame: readonly [x: number, y: number, width: number, height: number];
}

const SCREEN = 13;
const IMAGE = 0x2c;
const EXTENSION = 0x21;
const GRAPHIC_CONTROL = 0xf9;
const HAS_TABLE = 0x80;

/** The facts of a GIF; undefined if it ends before its first frame. */
function gifFacts(bytes: Uint8Array): GifFacts | undefined {
  const tableAt = (at: number, flags: number) =>
    flags & HAS_TABLE ? bytes.subarray(at, at + (3 << ((flags & 7) + 1))) : undefined;
  let table = tableAt(SCREEN, bytes[10]!);
  let transparent = 0;
  let at = SCREEN + (table?.length ?? 0);
  while (bytes[at] === EXTENSION) {
    if (bytes[at + 1] === GRAPHIC_CONTROL && bytes[at + 3]! & 1) transparent = bytes[at + 6]!;
    // The blocks of an extension end with an empty block.
    for (at += 2; bytes[at]! > 0; at += bytes[at]! + 1);
    at++;
  }
  if (bytes[at] !== IMAGE) return undefined;
  table = tableAt(at + 10, bytes[at + 9]!) ?? table;
  if (!table) return undefined;
  const [r, g, b] = table.subarray(3 * transparent);
  const word = (offset: number) => bytes[at + offset]! + 256 * bytes[at + offset + 1]!;
  return {
    frame: [word(1), word(3), word(5), word(7)],
    grey: table.every((level, i) => level === Math.floor(i / 3)),
    hidden: [r ?? 0, g ?? 0, b ?? 0],
  };
}

/**
 * The first frame of a GIF as Pillow reads it: a palette picture, or a grey one if its colour table counts from black to white.
 * Transparent pixels have their colour in the table.
 */
export function firstFrame(raster: Raster, bytes: Uint8Array): Raster {
  const facts = gifFacts(bytes);
  if (!facts) return { ...raster, palette: true };
  const { data, channels, width } = raster;
  const { grey, hidden, frame } = facts;
  const [left, top, right, bottom] = [frame[0], frame[1], frame[0] + frame[2], frame[1] + frame[3]];
  for (let i = 0; i * channels < data.length; i++) {
    const [x, y] = [i % width, Math.floor(i / width)];
    const outside = x < left || x >= right || y < top || y >= bottom;
    if (!outside && (channels < 4 || data[i * channels + 3]! > 0)) continue;
    data.set(hidden, i * channels);
    if (channels === 4) data[i * channels + 3] = 255;
  }
  return { ...raster, palette: !grey };
}
