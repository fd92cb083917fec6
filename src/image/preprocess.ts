import { random } from '../math/random.ts';
import { type Box, type Raster, resizeToRgb } from './resize.ts';
import type { Pixels, Preprocessing, Shares, View } from './types.ts';

/** Width and height of an encoder's input for a picture: its crop, or one column with all crops of joined encoders. */
export function inputSize({ crop, beside = [] }: Preprocessing): { width: number; height: number } {
  if (beside.length === 0) return { width: crop, height: crop };
  return {
    width: 1,
    height: [crop, ...beside.map((spec) => spec.crop)].reduce((sum, side) => sum + side * side, 0),
  };
}

/** A black picture of the size that an encoder gets. */
export function blankPixels(spec: Preprocessing): Pixels {
  const { width, height } = inputSize(spec);
  return { width, height, data: new Uint8Array(width * height * 3) };
}

/**
 * The crop of a picture for an encoder, side x side RGB: the centre crop (view 0), or a random resized crop (views 1, 2, …). The crops of
 * joined encoders lie one after the other.
 */
export function cropView(
  picture: Raster,
  spec: Preprocessing,
  view: View,
  seed: number | string,
  sha256: string,
  area: Shares = AREA,
): Pixels {
  const crops = [spec, ...(spec.beside ?? [])].map((own) =>
    view === 0
      ? centreCrop(picture, own)
      : randomCrop(picture, own, random('view', seed, sha256, view), area),
  );
  const { width, height } = inputSize(spec);
  if (crops.length === 1) return { width, height, data: crops[0]! };
  const data = new Uint8Array(width * height * 3);
  crops.reduce((at, own) => {
    data.set(own, at);
    return at + own.length;
  }, 0);
  return { width, height, data };
}

/**
 * Resizes the picture, then cuts the square in the middle, as CLIP's own preprocessing does. Where the resized picture is smaller than
 * the square, black is added evenly on both sides, as by torchvision's CenterCrop.
 */
function centreCrop(picture: Raster, spec: Preprocessing): Uint8Array {
  const { width, height } = picture;
  const { crop, filter } = spec;
  const whole: Box = { x: 0, y: 0, width, height };
  const size = resizedSize(picture, spec);
  const across = cut(size.width, crop);
  const down = cut(size.height, crop);
  const window: Box = { x: across.from, y: down.from, width: across.length, height: down.length };
  const rgb = resizeToRgb(picture, whole, size, window, filter);
  if (window.width === crop && window.height === crop) return rgb;
  const padded = new Uint8Array(crop * crop * 3);
  const stride = window.width * 3;
  for (let y = 0; y < window.height; y++)
    padded.set(rgb.subarray(y * stride, (y + 1) * stride), ((down.before + y) * crop + across.before) * 3);
  return padded;
}

function resizedSize(
  { width, height }: Raster,
  { resize, resizeTo }: Preprocessing,
): { width: number; height: number } {
  if (resize === 'squash') return { width: resizeTo, height: resizeTo };
  const long = Math.max(width, height);
  const short = Math.min(width, height);
  // torchvision truncates the long side, and open_clip rounds the short one.
  const scaled = (side: number) =>
    resize === 'shortest'
      ? Math.floor((resizeTo * side) / short)
      : Math.max(1, roundHalfEven(side / (long / resizeTo)));
  return { width: scaled(width), height: scaled(height) };
}

/** The part of a side that the crop keeps, and the pixels of padding before it. */
function cut(side: number, crop: number): { from: number; length: number; before: number } {
  if (side >= crop) return { from: roundHalfEven((side - crop) / 2), length: crop, before: 0 };
  return { from: 0, length: side, before: Math.floor((crop - side) / 2) };
}

/** Rounds half to even, as Python's `round`. */
function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Tip-Adapter's. */
const AREA = [0.5, 1] as const;
const LOG_RATIO = [Math.log(3 / 4), Math.log(4 / 3)] as const;
const ATTEMPTS = 10;

/**
 * A random box with a share of the area and an aspect ratio of 3/4 to 4/3 (log-uniform), resized to the encoder's side, and flipped
 * horizontally with probability 1/2: torchvision's RandomResizedCrop, with its fallback to a centre box.
 */
function randomCrop(
  picture: Raster,
  { crop, filter }: Preprocessing,
  r: ReturnType<typeof random>,
  shares: Shares,
): Uint8Array {
  const box = randomBox(picture, r, shares);
  const size = { width: crop, height: crop };
  const rgb = resizeToRgb(picture, box, size, { x: 0, y: 0, ...size }, filter);
  return r.uniform() < 0.5 ? flip(rgb, crop) : rgb;
}

function randomBox({ width, height }: Raster, r: ReturnType<typeof random>, [least, most]: Shares): Box {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const area = width * height * (least + (most - least) * r.uniform());
    const ratio = Math.exp(LOG_RATIO[0] + (LOG_RATIO[1] - LOG_RATIO[0]) * r.uniform());
    const w = roundHalfEven(Math.sqrt(area * ratio));
    const h = roundHalfEven(Math.sqrt(area / ratio));
    if (w > 0 && w <= width && h > 0 && h <= height) {
      return { x: r.integer(width - w + 1), y: r.integer(height - h + 1), width: w, height: h };
    }
  }
  const ratio = width / height;
  const [low, high] = [Math.exp(LOG_RATIO[0]), Math.exp(LOG_RATIO[1])];
  const w = ratio > high ? Math.round(height * high) : width;
  const h = ratio < low ? Math.round(width / low) : height;
  return { x: Math.trunc((width - w) / 2), y: Math.trunc((height - h) / 2), width: w, height: h };
}

function flip(rgb: Uint8Array, side: number): Uint8Array {
  const out = new Uint8Array(rgb.length);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const from = (y * side + x) * 3;
      out.set(rgb.subarray(from, from + 3), (y * side + side - 1 - x) * 3);
    }
  }
  return out;
}

/** An encoder's input batch, scaled and shifted: [n, 3, side, side] or [n, side, side, 3], with the encoder's order of channels. */
export function normalize(pixels: readonly Pixels[], spec: Preprocessing): Float32Array {
  const { channels, layout, scale, mean, std } = spec;
  const area = spec.crop * spec.crop;
  const out = new Float32Array(pixels.length * area * 3);
  // A table of the 256 levels of each channel is exact, and faster than arithmetic.
  const levels = mean.map((m, k) => Float32Array.from({ length: 256 }, (_, p) => (p * scale - m) / std[k]!));
  pixels.forEach(({ data }, n) => {
    for (let k = 0; k < 3; k++) {
      const level = levels[k]!;
      const source = channels === 'rgb' ? k : 2 - k;
      const start = layout === 'nchw' ? (n * 3 + k) * area : n * area * 3 + k;
      const step = layout === 'nchw' ? 1 : 3;
      for (let i = 0; i < area; i++) out[start + i * step] = level[data[i * 3 + source]!]!;
    }
  });
  return out;
}
