import { UsageError } from '../errors.ts';
import { suggestion } from '../nearest.ts';
import { parseSource } from '../store/sources.ts';
import { BUILTIN_ID, MINILM, RESNET } from './builtin/packages.ts';
import { parsePrecision, type TowerPrecision } from './precision.ts';
import type { CacheDefaults } from './types.ts';

/** Defaults for CLIP and similar encoders: the paper's constants. */
export const CLIP_DEFAULTS: CacheDefaults = {
  alpha: 1,
  beta: 5.5,
  maxBeta: 50,
  template: 'a photo of a {}.',
};

/** A named encoder that can be pulled. */
export interface RegisteredEncoder {
  readonly id: string;
  /** Description in one line. */
  readonly about: string;
  /** Hub repository. Absent for the built-in encoder. */
  readonly repo?: string;
  /** Commit. If absent, the first pull takes the newest commit and records it. */
  readonly revision?: string;
  readonly precision: TowerPrecision;
  readonly dimension: number;
  /** Approximate megabytes to download: the sizes of the files, or four bytes for each published parameter. */
  readonly megabytes: number;
  readonly licence: string;
  /** Known sha256 of files. For other files the hub's sha256 at the revision is used. */
  readonly sha256?: Readonly<Record<string, string>>;
}

const B32 = {
  repo: 'Xenova/clip-vit-base-patch32',
  revision: '4c1807b705b1d015fb032789cc4d221b23025a6f',
  dimension: 512,
  licence: 'MIT',
  sha256: {
    'onnx/vision_model.onnx': 'fd6e1402a588279d1723c7534d4bcba5bc0b14b47dfab0e46f8c47b8270d7d40',
    'onnx/text_model_fp16.onnx': 'df587ffbf248bf20d44fa6e16adc5ebc27ead691860e5333dbdaab5fd6bf3f6e',
    'onnx/text_model_quantized.onnx': '73baab855d406190da9faa498cfedf65f15cf309f4cc7385b7b032e6d08e5c3a',
  },
} as const;

const B16 = {
  repo: 'Xenova/clip-vit-base-patch16',
  revision: 'c32d8e02b868e2fbb4d080d155161b06393fb0f2',
  dimension: 512,
  licence: 'MIT',
  sha256: {
    'onnx/vision_model.onnx': 'b5170b47c0ecc667c9af5b42ed460c341377706d1466d177798c65fe49ea1e6b',
    'onnx/vision_model_quantized.onnx': '44eece4fe5fe4e0359a88268a327adf758633a1aade3917690b952bef1501f96',
    'onnx/text_model.onnx': '19f40c7988af119fc50dabfe8015da8595c0372000e2c1f1a6289e35930577aa',
    'onnx/text_model_quantized.onnx': '9106b51e6c663a56b99182ec617c2b3d53577b037e7e24a7717eb78048a0c97a',
  },
} as const;

const FROM_WEIGHTS = { precision: 'fp32', licence: 'MIT' } as const;

const MOBILE = { precision: 'fp32', dimension: 512, licence: 'Apple ASCL' } as const;

/** The encoders that have a name. */
export const REGISTRY: readonly RegisteredEncoder[] = [
  {
    id: BUILTIN_ID,
    about:
      'Built in: ResNet50 (ImageNet) with MiniLM for names. It is not CLIP and needs only the npm registry.',
    precision: 'fp32',
    dimension: 2048,
    megabytes: Math.round((RESNET.bytes + MINILM.bytes) / 1e6),
    licence: 'MIT and Apache-2.0',
  },
  {
    id: 'clip-vit-b32',
    about: "OpenAI's CLIP ViT-B/32, a fast one.",
    precision: 'fp32',
    megabytes: 606,
    ...B32,
  },
  {
    id: 'clip-vit-b32-fp16',
    about: 'The same in half precision: half the download, slightly different features.',
    precision: 'fp16',
    megabytes: 303,
    ...B32,
  },
  {
    id: 'clip-vit-b32-int8',
    about: 'The same in 8-bit integers: a quarter of the download, noticeably different features.',
    precision: 'quantized',
    megabytes: 154,
    ...B32,
  },
  {
    id: 'clip-vit-b16',
    about: "OpenAI's CLIP ViT-B/16, with smaller patches: better, four times slower.",
    precision: 'fp32',
    megabytes: 599,
    ...B16,
  },
  {
    id: 'clip-vit-b16-int8',
    about: 'The same in 8-bit integers.',
    precision: 'quantized',
    megabytes: 152,
    ...B16,
  },
  {
    id: 'clip-rn50',
    about: "OpenAI's CLIP with a ResNet50, the main encoder of the paper; built from its weights.",
    repo: 'timm/resnet50_clip.openai',
    megabytes: 408,
    dimension: 1024,
    ...FROM_WEIGHTS,
  },
  {
    id: 'clip-rn101',
    about: 'The same with a ResNet101.',
    repo: 'timm/resnet101_clip.openai',
    megabytes: 479,
    dimension: 512,
    ...FROM_WEIGHTS,
  },
  {
    id: 'clip-rn50x16',
    about: 'The same with a ResNet50 of sixteen times the work, at 384 pixels.',
    repo: 'timm/resnet50x16_clip.openai',
    megabytes: 1160,
    dimension: 768,
    ...FROM_WEIGHTS,
  },
  {
    id: 'clip-vit-b32-weights',
    about: "OpenAI's CLIP ViT-B/32 built from its weights: needed to learn prompts (CoOp).",
    repo: 'timm/vit_base_patch32_clip_224.openai',
    megabytes: 605,
    dimension: 512,
    ...FROM_WEIGHTS,
  },
  {
    id: 'clip-vit-b16-weights',
    about: 'The same with smaller patches.',
    repo: 'timm/vit_base_patch16_clip_224.openai',
    megabytes: 599,
    dimension: 512,
    ...FROM_WEIGHTS,
  },
  {
    id: 'clip-vit-l14',
    about: "OpenAI's CLIP ViT-L/14, its largest at 224 pixels; built from its weights.",
    repo: 'openai/clip-vit-large-patch14',
    megabytes: 1710,
    dimension: 768,
    ...FROM_WEIGHTS,
  },
  {
    id: 'mobileclip-s0',
    about: "Apple's MobileCLIP, the smallest.",
    repo: 'Xenova/mobileclip_s0',
    megabytes: 215,
    ...MOBILE,
  },
  {
    id: 'mobileclip-s1',
    about: "Apple's MobileCLIP, the second.",
    repo: 'Xenova/mobileclip_s1',
    megabytes: 340,
    ...MOBILE,
  },
  {
    id: 'mobileclip-s2',
    about: "Apple's MobileCLIP, the third.",
    repo: 'Xenova/mobileclip_s2',
    megabytes: 396,
    ...MOBILE,
  },
  {
    id: 'mobileclip-b',
    about: "Apple's MobileCLIP, the largest.",
    repo: 'Xenova/mobileclip_b',
    megabytes: 599,
    ...MOBILE,
  },
  {
    id: 'siglip-base',
    about: "Google's SigLIP, base size, at 224 pixels.",
    repo: 'Xenova/siglip-base-patch16-224',
    precision: 'fp32',
    dimension: 768,
    megabytes: 813,
    licence: 'Apache-2.0',
  },
  {
    id: 'jina-clip-v1',
    about: "Jina's CLIP, for long texts.",
    repo: 'jinaai/jina-clip-v1',
    precision: 'fp32',
    dimension: 768,
    megabytes: 892,
    licence: 'Apache-2.0',
  },
];

/** The CLIP that is offered for download and preferred by `auto`. */
export const DEFAULT_CLIP = 'clip-vit-b32';

/** The source of an encoder and its id. */
export type EncoderSource =
  | { readonly kind: 'builtin'; readonly id: string }
  | {
      readonly kind: 'hub';
      readonly id: string;
      readonly repo: string;
      readonly revision?: string;
      readonly precision: TowerPrecision;
      readonly registered?: RegisteredEncoder;
    }
  | { readonly kind: 'https'; readonly id: string; readonly url: string; readonly sha256: string }
  | {
      readonly kind: 'folder';
      readonly id: string;
      readonly path: string;
      readonly precision: TowerPrecision;
    };

/**
 * Parses a name of the registry, `hf:owner/repo[@revision][#precision]` (`#q8`, `#vision=fp16,text=q8`), `https://…/encoder.zip#sha256=<hex>` (a bundle), or the
 * path of a folder `path[#precision]`. Throws `UsageError` with the nearest name for anything else.
 */
export function encoderSource(name: string): EncoderSource {
  const registered = REGISTRY.find((entry) => entry.id === name);
  if (registered) return registeredSource(registered);
  const [, place = '', suffix = 'fp32'] = /^(.*?)(?:#(?!sha256=)([\w=,]+))?$/s.exec(name) as RegExpExecArray;
  if (!/[\\/:]|^\.+$/.test(place)) throw unknownName(name);
  const source = parseSource(place);
  switch (source.kind) {
    case 'hub':
      return { id: name, ...source, precision: parsePrecision(suffix, name) };
    case 'https':
      return { id: name, ...source };
    case 'folder': {
      const precision = parsePrecision(suffix, name);
      // The path is absolute, so that a classifier finds the encoder from any working directory.
      return { id: precision === 'fp32' ? source.path : `${source.path}#${precision}`, ...source, precision };
    }
    case 'npm':
      throw new UsageError(`${name} is a package, and the only encoder made of packages is ${BUILTIN_ID}`, {
        code: 'encoder/package',
      });
  }
}

function registeredSource(registered: RegisteredEncoder): EncoderSource {
  const { id, repo, revision, precision } = registered;
  return repo ? { kind: 'hub', id, repo, revision, precision, registered } : { kind: 'builtin', id };
}

/** The error for an unknown name. */
export function unknownName(name: string): UsageError {
  const ids = REGISTRY.map((entry) => entry.id);
  return new UsageError(`There is no encoder named "${name}"`, {
    code: 'encoder/unknown',
    hint: `${suggestion(name, ids)}Known are ${ids.join(', ')}. For others, give hf:owner/repo or a folder with a slash, such as ./${name}.`,
    details: { name },
  });
}
