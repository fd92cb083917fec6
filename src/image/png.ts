import { concatBytes } from '../bytes.ts';

/** Chunks of text and colour profiles. Pixels do not depend on them, and each may unpack to a thousand times its size. */
const TEXTS = ['tEXt', 'zTXt', 'iTXt', 'iCCP'];
/** The chunk that declares a colour, or the colours of a palette, to be transparent. */
const TRANSPARENCY = 'tRNS';

const SIGNATURE = 8;
/** Number of bytes around a chunk's data: length and type before it, the checksum after it. */
const AROUND = 12;
/** Position of the colour type, which is at most `RGB` for a picture that has neither a palette nor an alpha channel. */
const COLOUR_TYPE = 25;
const RGB = 2;

/** A PNG without its texts and colour profile. */
export function withoutTexts(png: Uint8Array): Uint8Array {
  return without(TEXTS, png);
}

/** A PNG in which a transparent colour stays visible, as in Pillow, if it has neither a palette nor an alpha channel. */
export function withVisibleColour<B extends ArrayBufferLike>(
  png: Uint8Array<B>,
): Uint8Array<B | ArrayBuffer> {
  return png[COLOUR_TYPE]! <= RGB ? without([TRANSPARENCY], png) : png;
}

/**
 * A PNG without the chunks of some types (https://www.w3.org/TR/png-3/#5Chunk-layout). A PNG without them, and bytes after anything
 * that is not a chunk, are unchanged.
 */
function without<B extends ArrayBufferLike>(
  types: readonly string[],
  png: Uint8Array<B>,
): Uint8Array<B | ArrayBuffer> {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  const kept: Uint8Array[] = [];
  let from = 0;
  let at = SIGNATURE;
  while (at + AROUND <= png.length) {
    const end = at + AROUND + view.getUint32(at);
    const type = String.fromCharCode(...png.subarray(at + 4, at + 8));
    if (end > png.length) break;
    if (types.includes(type)) {
      kept.push(png.subarray(from, at));
      from = end;
    }
    at = end;
    if (type === 'IEND') break;
  }
  return kept.length === 0 ? png : concatBytes([...kept, png.subarray(from)]);
}
