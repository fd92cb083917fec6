/**
 * 8-bit RGB pixels, interleaved, row by row: length is width x height x 3. Several crops of a picture lie one after the other, as one column of
 * pixels.
 */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** Pixels of a canvas: width x height x 4 bytes, not premultiplied by alpha. */
export interface CanvasPixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array | Uint8ClampedArray;
  /** Whether the picture's file has a palette. */
  readonly palette: boolean;
}

/** Preprocessing of pictures for an encoder: first the geometry, then the arithmetic on the cropped pixels. */
export interface Preprocessing {
  /**
   * `shortest`: the short side becomes `resizeTo`, the long side follows. `longest`: the long side becomes `resizeTo`. `squash`: both
   * sides become `resizeTo`.
   */
  readonly resize: 'shortest' | 'longest' | 'squash';
  /** Side after resizing, in pixels. */
  readonly resizeTo: number;
  /** Side of the square centre crop and of the encoder's input, in pixels. A smaller picture is padded with black on all sides. */
  readonly crop: number;
  readonly filter: 'bicubic' | 'bilinear';
  readonly channels: 'rgb' | 'bgr';
  readonly layout: 'nchw' | 'nhwc';
  /** A pixel p in 0..255 of channel k (in the order of `channels`) becomes (p * scale - mean[k]) / std[k]. */
  readonly scale: number;
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
  /** Further crops of the same picture, for encoders that are joined with the first. */
  readonly beside?: readonly Preprocessing[];
}

/**
 * Number of a crop of a picture. 0 is the centre crop; 1, 2, … are random resized crops (0.5 to 1 of the area unless others are given,
 * aspect ratio 3/4 to 4/3) with a random horizontal flip. They depend only on the seed, the picture's bytes and the number.
 */
export type View = number;

/** The least and the largest share (0 to 1) of a picture's area that a random crop has. */
export type Shares = readonly [least: number, most: number];

/** Options of decoding. */
export interface DecodeOptions {
  /** Turn the picture by its EXIF orientation. The reference CLIP does not. */
  readonly exif?: boolean;
  /** Largest number of pixels. Larger pictures are refused before they are decoded. */
  readonly maxPixels?: number;
}

/** Default limit of pixels: 100 million. */
export const MAX_PIXELS = 100_000_000;

/** Version of decoding, raised whenever the same file gives other pixels. It is part of the keys of cached features. */
export const DECODING = 2;
