import type { Asked } from '../page-types.ts';

type Raster = Extract<Asked, { kind: 'classify' }>['raster'];

/** A picture's pixels as they are stored, without colour management and not premultiplied by alpha. Throws if the file is not a picture. */
export async function readPicture(file: Blob, exif: boolean): Promise<Raster> {
  const bitmap = await createImageBitmap(file, {
    imageOrientation: exif ? 'from-image' : 'none',
    colorSpaceConversion: 'none',
    premultiplyAlpha: 'none',
  });
  const head = new Uint8Array(await file.slice(0, 26).arrayBuffer());
  return { ...pixelsOf(bitmap, bitmap.width, bitmap.height), palette: hasPalette(head) };
}

/** The present frame of the camera. */
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
/** Position of a PNG's colour type, and the colour type of a palette. */
const [COLOUR_TYPE, INDEXED] = [25, 3];

/** Whether a PNG has a palette. Such pictures are resized by nearest neighbour, because palette indices cannot be averaged. */
function hasPalette(head: Uint8Array): boolean {
  const begins = (bytes: readonly number[]) => bytes.every((byte, i) => head[i] === byte);
  return begins(GIF) || (begins(PNG) && head[COLOUR_TYPE] === INDEXED);
}
