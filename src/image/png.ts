/** Chunks of text and colour profiles. Pixels do not depend on them, and each may unpack to a thousand times its size. */
const SET_ASIDE = new Set(['tEXt', 'zTXt', 'iTXt', 'iCCP']);

const SIGNATURE = 8;
/** Number of bytes around a chunk's data: length and type before it, the checksum after it. */
const AROUND = 12;

/**
 * A PNG without its texts and colour profile (https://www.w3.org/TR/png-3/#5Chunk-layout). A PNG without them, and bytes after
 * anything that is not a chunk, are unchanged.
 */
export function withoutTexts(png: Uint8Array): Uint8Array {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  const kept: Uint8Array[] = [];
  let from = 0;
  let at = SIGNATURE;
  while (at + AROUND <= png.length) {
    const end = at + AROUND + view.getUint32(at);
    const type = String.fromCharCode(...png.subarray(at + 4, at + 8));
    if (end > png.length) break;
    if (SET_ASIDE.has(type)) {
      kept.push(png.subarray(from, at));
      from = end;
    }
    at = end;
    if (type === 'IEND') break;
  }
  return kept.length === 0 ? png : Buffer.concat([...kept, png.subarray(from)]);
}
