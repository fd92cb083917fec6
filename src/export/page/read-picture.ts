import type { Asked } from '../page-types.ts';

type Raster = Extract<Asked, { kind: 'classify' }>['raster'];

/** A picture's pixels as they are stored: no colour management, no alpha multiplied in. Throws where it is no picture. */
export async function readPicture(file: Blob, exif: boolean): Promise<Raster> {
  const bitmap = await createImageBitmap(file, {
    imageOrientation: exif ? 'from-image' : 'none',
    colorSpaceConversion: 'none',
    premultiplyAlpha: 'none',
  });
  const head = new Uint8Array(await file.slice(0, 26).arrayBuffer());
  return { ...pixelsOf(bitmap, bitmap.width, bitmap.height), palette: hasPalette(head) };
}

/** What the camera shows now. */
export function readVideo(video: HTMLVideoElement): Raster {
  return { ...pixelsOf(video, video.videoWidth, video.videoHeight), palette: false };
}

function pixelsOf(source: CanvasImageSource, width: number, height: number) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!context) throw new Error('No canvas');
  context.drawImage(source, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  return { width, height, data: new Uint8Array(data.buffer) };
}

const PNG = [0x89, 0x50, 0x4e, 0x47];
const GIF = [0x47, 0x49, 0x46];
/** Where a PNG says how its colours are kept, and what it says for a palette. */
const [COLOUR_TYPE, INDEXED] = [25, 3];

/** Palette pictures are resized in another way: their colours are names, not amounts. */
function hasPalette(head: Uint8Array): boolean {
  const begins = (bytes: readonly number[]) => bytes.every((byte, i) => head[i] === byte);
  return begins(GIF) || (begins(PNG) && head[COLOUR_TYPE] === INDEXED);
}
