import type { Raster } from '../image/resize.ts';
import { sha256 } from '../sha256.ts';
import { imageDataOf } from './image-data.ts';
import type { SentPicture } from './protocol.ts';
import { pixelsOf, pixelsOfFile, rasterOf } from './raster.ts';
import type { PagePicture } from './session.ts';

/** A sent picture. Its pixels are read once, when they are first needed. */
export function pagePicture(sent: SentPicture): PagePicture {
  if (sent.kind === 'file') {
    const { file } = sent;
    return {
      id: sent.id ?? 'blob',
      read: async () => new Uint8Array(await file.arrayBuffer()),
      raster: async (exif) => rasterOf(await pixelsOfFile(file, exif)),
    };
  }
  let read: Raster | undefined;
  const raster = () => {
    read ??= rasterFrom(sent);
    return read;
  };
  return {
    id: sent.id ?? `bytes:${sha256(raster().data).slice(0, 12)}`,
    raster: async () => raster(),
    read: () => pngOf(raster()),
  };
}

function rasterFrom(sent: Exclude<SentPicture, { kind: 'file' }>): Raster {
  if (sent.kind === 'pixels') {
    const { width, height, data } = sent;
    return rasterOf({ width, height, data, palette: false });
  }
  const source = sent.kind === 'bitmap' ? sent.bitmap : sent.frame;
  const [width, height] =
    sent.kind === 'bitmap'
      ? [sent.bitmap.width, sent.bitmap.height]
      : [sent.frame.displayWidth, sent.frame.displayHeight];
  try {
    return rasterOf(pixelsOf(source, width, height));
  } finally {
    source.close();
  }
}

/** A PNG of the pixels. */
async function pngOf(raster: Raster): Promise<Uint8Array<ArrayBuffer>> {
  const canvas = new OffscreenCanvas(raster.width, raster.height);
  (canvas.getContext('2d') as OffscreenCanvasRenderingContext2D).putImageData(imageDataOf(raster), 0, 0);
  return new Uint8Array(await (await canvas.convertToBlob({ type: 'image/png' })).arrayBuffer());
}
