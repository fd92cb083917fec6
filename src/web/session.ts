import type { EmbeddingSession } from '../classifier/encoder-session.ts';
import type { EncodedImages } from '../encoder/encode.ts';
import type { Encoder } from '../encoder/types.ts';
import { DataError, throwIfAborted } from '../errors.ts';
import { cropView } from '../image/preprocess.ts';
import type { Raster } from '../image/resize.ts';
import type { Pixels } from '../image/types.ts';
import { concatRows, type Matrix, matrix } from '../math/matrix.ts';
import { sha256 } from '../sha256.ts';
import { imageDataOf } from './image-data.ts';

/** A picture in the worker. */
export interface PagePicture {
  readonly id: string;
  /** The bytes of its file. A picture without a file becomes a PNG. */
  read(): Promise<Uint8Array<ArrayBuffer>>;
  /** Its pixels, turned by its EXIF orientation if `exif` is true. */
  raster(exif: boolean): Promise<Raster>;
}

/** Number of pictures that are decoded and encoded together. */
const BATCH = 4;

/** The embedding of preprocessed pictures. */
export type Embed = (pixels: Pixels[], signal?: AbortSignal) => Promise<Matrix>;

type EncodeOptions = Parameters<EmbeddingSession['encode']>[1];

/** A session on an encoder that another part of the worker owns. */
export function pageSession(encoder: Encoder, embed: Embed): EmbeddingSession {
  return {
    encoder: async () => encoder,
    encode: (images, options) =>
      encodePictures(images as readonly PagePicture[], encoder, embed, { ...options, hashed: true }),
    thumbnail: async (image, { side = THUMBNAIL_SIDE } = {}) =>
      thumbnailOf(await (image as PagePicture).raster(true), side),
  };
}

/** The features of pictures. With `hashed`, also the sha256 of their files, which examples are recognised by. */
export async function encodePictures(
  pictures: readonly PagePicture[],
  { preprocessing, dimension }: Pick<Encoder, 'preprocessing' | 'dimension'>,
  embed: Embed,
  { views, seed, exif, hashed, signal, onProgress }: EncodeOptions & { hashed: boolean },
): Promise<EncodedImages> {
  const parts: Matrix[] = [];
  const failures: EncodedImages['failures'][number][] = [];
  const read: { item: number; hash: string }[] = [];
  const total = pictures.length;
  for (let start = 0; start < total; start += BATCH) {
    const end = Math.min(start + BATCH, total);
    const pixels: Pixels[] = [];
    for (let item = start; item < end; item++) {
      throwIfAborted(signal);
      const picture = pictures[item]!;
      try {
        const raster = await picture.raster(exif);
        const hash = hashed ? sha256(await picture.read()) : '';
        for (const view of views) pixels.push(cropView(raster, preprocessing, view, seed, hash));
        read.push({ item, hash });
      } catch (error) {
        if (!(error instanceof DataError)) throw error;
        failures.push({ item, id: picture.id, error });
      }
    }
    if (pixels.length > 0) parts.push(await embed(pixels, signal));
    onProgress?.({ done: end, total, cached: 0 });
  }
  return {
    features: parts.length > 0 ? concatRows(parts) : matrix(0, dimension),
    rows: read.flatMap(({ item }) => views.map((view) => ({ item, view }))),
    failures,
    failed: new Set(failures.map(({ item }) => item)),
    hits: 0,
    hashes: read.map(({ hash }) => hash),
  };
}

/** Longer side of an example's thumbnail, in pixels. */
const THUMBNAIL_SIDE = 96;

/** A JPEG of a raster whose longer side has `side` pixels. */
export async function thumbnailOf(raster: Raster, side: number): Promise<Uint8Array> {
  const { width, height } = raster;
  const scale = Math.min(1, side / Math.max(width, height));
  const canvas = new OffscreenCanvas(
    Math.max(1, Math.round(width * scale)),
    Math.max(1, Math.round(height * scale)),
  );
  const context = canvas.getContext('2d') as OffscreenCanvasRenderingContext2D;
  const bitmap = await createImageBitmap(imageDataOf(raster));
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const file = await canvas.convertToBlob({ type: 'image/jpeg', quality: 0.8 });
  return new Uint8Array(await file.arrayBuffer());
}
