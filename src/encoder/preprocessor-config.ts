import { z } from 'zod';
import { ModelError } from '../errors.ts';
import type { Preprocessing } from '../image/types.ts';
import { isJson, type Json, readFields, unused, type Values } from './fields.ts';

/**
 * The preprocessing of pictures in the files of public hubs: `preprocessor_config.json` of the image processors of transformers (`CLASSES`),
 * of the older feature extractors (with plain numbers for sizes), of MobileCLIP, and of jina-clip (with short names);
 * `processor_config.json` of transformers 5; and `preprocess_cfg.json` of open_clip.
 */

/** Largest side in pixels: more than any public model takes, and small enough for memory. */
const side = z.int().positive().max(2048);
const extent = z.union([
  side,
  z.strictObject({ shortest_edge: side }),
  z.strictObject({ height: side, width: side }),
]);
const positive = z.number().positive().max(1e6);
const level = z.number().min(-1e6).max(1e6);
/** One number for all channels, or a list with one for each channel. */
const perChannel = <T extends z.ZodNumber>(number: T) =>
  z.union([z.tuple([number, number, number]), number.transform((x): [number, number, number] => [x, x, x])]);

/** Supported filters by Pillow's numbers and torchvision's names. */
const FILTERS: Readonly<Record<string, Preprocessing['filter']>> = {
  2: 'bilinear',
  3: 'bicubic',
  bilinear: 'bilinear',
  bicubic: 'bicubic',
};

const BOOKKEEPING = 'it names a Python class and its fields';
const RESULTS = 'it sets the tensor types of Python';

const FIELDS = {
  ...unused('pictures are always made RGB', ['do_convert_rgb']),
  ...unused(BOOKKEEPING, ['processor_class', 'auto_map', '_valid_processor_keys']),
  ...unused(RESULTS, [
    'data_format',
    'device',
    'disable_grouping',
    'image_seq_length',
    'input_data_format',
    'return_tensors',
  ]),
  ...unused('it is for do_pad', ['pad_size']),
  image_processor_type: z.string(),
  feature_extractor_type: z.string(),
  do_center_crop: z.boolean(),
  do_normalize: z.boolean(),
  do_pad: z.literal(false),
  do_rescale: z.boolean(),
  do_resize: z.literal(true, 'pictures of any size cannot be compared'),
  default_to_square: z.boolean(),
  crop_size: extent,
  // Of ConvNeXt: the share of the resized picture that the crop keeps.
  crop_pct: z.number().min(0.1).max(1),
  fill_color: z.literal(0, 'only black is supported'),
  // Of EfficientNet: whether its classifier's second normalisation follows.
  include_top: z.literal(false),
  mode: z.literal('RGB'),
  size: extent,
  resample: z.literal([2, 3], 'neither bilinear (2) nor bicubic (3)'),
  interpolation: z.enum(['bilinear', 'bicubic']),
  resize_mode: z.enum(['shortest', 'longest', 'squash']),
  rescale_factor: positive,
  // Of EfficientNet: whether 127.5 is subtracted before rescaling.
  rescale_offset: z.boolean(),
  image_mean: perChannel(level),
  image_std: perChannel(positive),
  mean: perChannel(level),
  std: perChannel(positive),
} as const;

type Stated = Values<typeof FIELDS>;

/** Defaults of a class of transformers for missing or null fields. */
interface Defaults extends Omit<Stated, 'image_processor_type' | 'feature_extractor_type'> {
  /** Whether it supports a centre crop. */
  readonly crops: boolean;
}

const half: [number, number, number] = [0.5, 0.5, 0.5];

/** Mean and standard deviation of ImageNet's colours. */
const IMAGENET_COLOURS = {
  image_mean: [0.485, 0.456, 0.406] as [number, number, number],
  image_std: [0.229, 0.224, 0.225] as [number, number, number],
};

/** Mean and standard deviation of the colours, as in OpenAI's training. */
export const OPENAI_COLOURS = {
  mean: [0.48145466, 0.4578275, 0.40821073] as [number, number, number],
  std: [0.26862954, 0.26130258, 0.27577711] as [number, number, number],
};

const CLIP: Defaults = {
  crops: true,
  do_center_crop: true,
  crop_size: 224,
  size: { shortest_edge: 224 },
  resample: 3,
  image_mean: OPENAI_COLOURS.mean,
  image_std: OPENAI_COLOURS.std,
};
const SIGLIP: Defaults = {
  crops: false,
  size: { height: 224, width: 224 },
  resample: 3,
  image_mean: half,
  image_std: half,
};

const VIT: Defaults = { ...SIGLIP, resample: 2, default_to_square: true };
const CONVNEXT: Defaults = { ...SIGLIP, size: { shortest_edge: 384 }, crop_pct: 224 / 256 };

const CLASSES: Readonly<Record<string, Defaults>> = {
  CLIPImageProcessor: CLIP,
  CLIPFeatureExtractor: CLIP,
  ChineseCLIPImageProcessor: CLIP,
  ChineseCLIPFeatureExtractor: CLIP,
  BitImageProcessor: CLIP,
  SiglipImageProcessor: SIGLIP,
  ViTImageProcessor: VIT,
  ViTFeatureExtractor: VIT,
  DINOv3ViTImageProcessor: { ...SIGLIP, resample: 2, ...IMAGENET_COLOURS },
  BlipImageProcessor: {
    ...SIGLIP,
    size: { height: 384, width: 384 },
    image_mean: OPENAI_COLOURS.mean,
    image_std: OPENAI_COLOURS.std,
  },
  DeiTImageProcessor: {
    ...SIGLIP,
    crops: true,
    do_center_crop: true,
    size: { height: 256, width: 256 },
    crop_size: 224,
  },
  ConvNextImageProcessor: CONVNEXT,
  ConvNextFeatureExtractor: CONVNEXT,
  // The filter has no default here, because its default, nearest neighbour, is not supported.
  EfficientNetImageProcessor: {
    crops: true,
    do_center_crop: false,
    size: { height: 346, width: 346 },
    crop_size: 289,
    rescale_offset: false,
    image_mean: half,
    image_std: half,
  },
  // MobileCLIP's files state every field.
  JinaCLIPImageProcessor: { crops: true },
};

/** Defaults of open_clip's `preprocess_cfg.json`, in which `size` is the side after the crop. */
const OPEN_CLIP = { size: 224, interpolation: 'bicubic', resize_mode: 'shortest', ...OPENAI_COLOURS };

/** The preprocessing among a model's configuration files, with the name of its file. Undefined if no file has it. */
export function preprocessorOf(
  read: (path: string) => Json | undefined,
): { file: string; json: Json } | undefined {
  const newer = read('processor_config.json')?.image_processor;
  if (isJson(newer)) return { file: 'processor_config.json', json: newer };
  const json = read('preprocessor_config.json');
  if (json) return { file: 'preprocessor_config.json', json };
  const openClip = read('preprocess_cfg.json');
  if (!openClip) return undefined;
  const { size } = openClip;
  const square = Array.isArray(size) && size.length === 2 ? { height: size[0], width: size[1] } : size;
  return {
    file: 'preprocess_cfg.json',
    json: { ...OPEN_CLIP, ...openClip, ...(square ? { size: square } : {}) },
  };
}

/** Reads the preprocessing. Throws `ModelError` that names an unsupported setting. */
export function preprocessingOf(json: unknown, file = 'preprocessor_config.json'): Preprocessing {
  const refuse = (why: string): never => {
    throw new ModelError(`${file} cannot be used: ${why}`, {
      code: 'encoder/preprocessing',
      details: { file },
    });
  };
  const stated = readFields(json, FIELDS, { file });
  const name = stated.image_processor_type ?? stated.feature_extractor_type;
  const plain = name?.replace(/(Fast|Pil)$/, '');
  const known = plain === undefined || Object.hasOwn(CLASSES, plain);
  if (!known) refuse(`image_processor_type ${name} is not supported`);
  const { crops, ...defaults }: Defaults = plain === undefined ? { crops: true } : CLASSES[plain]!;
  const c: Stated = { ...defaults, ...stated };
  const need = <T>(value: T | undefined, field: string): T =>
    value ?? refuse(`${field} is missing, and so is an image_processor_type that has a default for it`);

  const { side: size, square } = sideOf(need(c.size, 'size'), c.default_to_square, refuse);
  for (const field of ['crop_pct', 'rescale_offset'] as const)
    if (stated[field] && !(field in defaults)) refuse(`${name ?? 'an image processor'} has no ${field}`);
  const { resizeTo, crop, resize } = c.crop_pct ? convNextGeometry(size, c.crop_pct) : geometry();
  const normal = c.do_normalize ?? true;
  if (plain === 'EfficientNetImageProcessor' && c.include_top !== false) refuse('include_top is not false');
  const scale = (c.do_rescale ?? true) ? (c.rescale_factor ?? 1 / 255) : 1;
  const offset = c.rescale_offset ? 127.5 * scale : 0;
  return {
    resize,
    resizeTo,
    crop,
    filter: FILTERS[need(c.interpolation ?? c.resample, 'resample')]!,
    channels: 'rgb',
    layout: 'nchw',
    scale,
    mean: shifted(normal ? need(stated.mean ?? c.image_mean, 'image_mean') : [0, 0, 0], offset),
    std: normal ? need(stated.std ?? c.image_std, 'image_std') : [1, 1, 1],
  };

  function geometry(): Pick<Preprocessing, 'resize' | 'resizeTo' | 'crop'> {
    const resize = c.resize_mode ?? (square ? 'squash' : 'shortest');
    const cut = c.do_center_crop ?? (c.crop_size !== undefined || c.resize_mode !== undefined);
    if (cut && !crops) refuse(`${name} has no do_center_crop`);
    if (!cut && resize !== 'squash')
      refuse('without do_center_crop pictures keep their aspect ratio, but the input is square');
    return { resize, resizeTo: size, crop: cut ? sideOf(c.crop_size ?? size, undefined, refuse).side : size };
  }
}

/** Below 384 pixels ConvNeXt's processor resizes the short side to more than the crop, and from there on both sides to the crop. */
function convNextGeometry(side: number, share: number): Pick<Preprocessing, 'resize' | 'resizeTo' | 'crop'> {
  if (side >= 384) return { resize: 'squash', resizeTo: side, crop: side };
  return { resize: 'shortest', resizeTo: Math.floor(side / share), crop: side };
}

function shifted(mean: readonly [number, number, number], by: number): [number, number, number] {
  return [mean[0] + by, mean[1] + by, mean[2] + by];
}

function sideOf(
  given: z.infer<typeof extent>,
  square = false,
  refuse: (why: string) => never,
): { side: number; square: boolean } {
  if (typeof given === 'number') return { side: given, square };
  if ('shortest_edge' in given) return { side: given.shortest_edge, square: false };
  if (given.height !== given.width) refuse(`the input is ${given.width} x ${given.height}, not square`);
  return { side: given.height, square: true };
}
