/** 8-bit RGB pixels, interleaved, row by row: length is width x height x 3. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** How an encoder wants its pictures: geometry first, then the arithmetic on the cropped pixels. */
export interface Preprocessing {
  /** `shortest`: the short side becomes `resizeTo`, the long side follows. `squash`: both sides become `resizeTo`. */
  readonly resize: 'shortest' | 'squash';
  /** Pixels. */
  readonly resizeTo: number;
  /** Side of the square centre crop, and of the encoder's input. */
  readonly crop: number;
  readonly filter: 'bicubic' | 'bilinear';
  readonly channels: 'rgb' | 'bgr';
  readonly layout: 'nchw' | 'nhwc';
  /** A pixel p in 0..255 of channel k (in the order of `channels`) becomes (p * scale - mean[k]) / std[k]. */
  readonly scale: number;
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

/**
 * Which crop of a picture: 0 is the plain centre crop; 1, 2, … are random resized crops (area .5 to 1, ratio 3/4 to 4/3)
 * with a random horizontal flip, decided by the seed, the picture's bytes and the number alone.
 */
export type View = number;

/** How a picture is decoded. */
export interface DecodeOptions {
  /** Turn the picture as its EXIF orientation says. The reference CLIP does not. */
  readonly exif?: boolean;
  /** Larger pictures are refused before they are decoded. */
  readonly maxPixels?: number;
}

/** 100 megapixels: more than any phone takes. */
export const MAX_PIXELS = 100_000_000;

/** Raised when other pixels come out of the same file: what is kept of pictures is kept under it. */
export const DECODING = 2;
