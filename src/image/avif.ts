import { unsupported } from './refusals.ts';

/** Where the main kind of a file stands, behind the length and the name of its first box. */
const KIND = 8;

/**
 * An AVIF whose main kind is a sequence, told to be a still picture: its first picture is usually stored as one beside the
 * sequence, and libvips looks for it only where the kind says so. Throws `DataError` where there is none.
 */
export function asStill(avif: Uint8Array): Uint8Array {
  if (String.fromCharCode(...avif.subarray(KIND, KIND + 4)) !== 'avis') return avif;
  const boxes = topBoxes(avif);
  if (boxes.includes('moov') && !boxes.includes('meta'))
    throw unsupported('animated AVIF without a still picture');
  // Not slice(): that of a Buffer shares its memory.
  const still = new Uint8Array(avif);
  still.set(Buffer.from('avif'), KIND);
  return still;
}

/** Names of the boxes of a file (ISO/IEC 14496-12, 4.2), up to what is no box. */
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
