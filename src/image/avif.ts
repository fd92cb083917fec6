import { unsupported } from './refusals.ts';

/** Position of a file's major brand, after the length and the name of its first box. */
const KIND = 8;

/**
 * An AVIF sequence with its major brand changed to that of a still picture. The first picture is usually stored as a still beside
 * the sequence, but libvips looks for it only if the brand says so. Throws `DataError` if the file has no still picture.
 */
export function asStill(avif: Uint8Array): Uint8Array {
  if (String.fromCharCode(...avif.subarray(KIND, KIND + 4)) !== 'avis') return avif;
  const boxes = topBoxes(avif);
  if (boxes.includes('moov') && !boxes.includes('meta'))
    throw unsupported('animated AVIF without a still picture');
  // Not slice(): the slice of a Buffer is a view on its memory.
  const still = new Uint8Array(avif);
  still.set(Buffer.from('avif'), KIND);
  return still;
}

/** Names of a file's top-level boxes (ISO/IEC 14496-12, 4.2), up to the first bytes that are not a box. */
function topBoxes(bytes: Uint8Array): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const names: string[] = [];
  for (let at = 0; at + 16 <= bytes.length; ) {
    names.push(String.fromCharCode(...bytes.subarray(at + 4, at + 8)));
    const size = view.getUint32(at);
    const length = size === 1 ? Number(view.getBigUint64(at + 8)) : size;
    if (length < 8) break;
    at += length;
  }
  return names;
}
