import { z } from 'zod';
import { ModelError } from '../errors.ts';
import type { Preprocessing } from '../image/types.ts';

/**
 * `preprocessor_config.json` as public hubs carry it: CLIPImageProcessor, its older CLIPFeatureExtractor with bare numbers,
 * SiglipImageProcessor, MobileCLIP's, and the short names of jina-clip.
 */
const extent = z.union([
  z.number(),
  z.object({
    shortest_edge: z.number().optional(),
    height: z.number().optional(),
    width: z.number().optional(),
  }),
]);
const numbers = z.array(z.number()).length(3);

const schema = z.object({
  do_resize: z.boolean().default(true),
  do_center_crop: z.boolean().optional(),
  do_rescale: z.boolean().default(true),
  do_normalize: z.boolean().default(true),
  size: extent.optional(),
  crop_size: extent.optional(),
  resample: z.number().optional(),
  interpolation: z.string().optional(),
  resize_mode: z.string().optional(),
  rescale_factor: z.number().default(1 / 255),
  image_mean: numbers.optional(),
  image_std: numbers.optional(),
  mean: numbers.optional(),
  std: numbers.optional(),
});

/** Pillow's numbers for its filters. */
const FILTERS: Readonly<Record<string, Preprocessing['filter']>> = {
  2: 'bilinear',
  3: 'bicubic',
  bilinear: 'bilinear',
  bicubic: 'bicubic',
};

/** Throws `ModelError` naming what the file asks for and this program does not do. */
export function preprocessingOf(config: unknown): Preprocessing {
  const parsed = schema.safeParse(config);
  if (!parsed.success) throw refused(z.prettifyError(parsed.error));
  const c = parsed.data;
  const filter = FILTERS[c.resample ?? c.interpolation ?? 3];
  if (!filter)
    throw refused(`resample ${c.resample ?? c.interpolation} is neither bilinear (2) nor bicubic (3)`);
  const { size, shape } = sizeOf(c.size ?? c.crop_size ?? 224);
  const crops = c.do_center_crop ?? c.crop_size !== undefined;
  const crop = crops && c.crop_size !== undefined ? sizeOf(c.crop_size).size : size;
  const squash = c.resize_mode ? c.resize_mode === 'squash' : shape === 'square' && !crops;
  if (!c.do_resize) throw refused('do_resize is false: pictures of any size cannot be compared');
  if (crop > size) throw refused(`crop_size ${crop} is larger than size ${size}`);
  const mean = (c.do_normalize ? (c.image_mean ?? c.mean) : undefined) ?? [0, 0, 0];
  const std = (c.do_normalize ? (c.image_std ?? c.std) : undefined) ?? [1, 1, 1];
  return {
    resize: squash ? 'squash' : 'shortest',
    resizeTo: size,
    crop,
    filter,
    channels: 'rgb',
    layout: 'nchw',
    scale: c.do_rescale ? c.rescale_factor : 1,
    mean: mean as [number, number, number],
    std: std as [number, number, number],
  };
}

function sizeOf(given: z.infer<typeof extent>): { size: number; shape: 'shortest' | 'square' } {
  if (typeof given === 'number') return { size: given, shape: 'shortest' };
  if (given.shortest_edge !== undefined) return { size: given.shortest_edge, shape: 'shortest' };
  if (given.height === undefined || given.height !== given.width) {
    throw refused(`the input is ${given.width} x ${given.height}, not square`);
  }
  return { size: given.height, shape: 'square' };
}

function refused(why: string): ModelError {
  return new ModelError(`The encoder's preprocessor_config.json cannot be followed: ${why}`, {
    code: 'encoder/preprocessing',
  });
}
