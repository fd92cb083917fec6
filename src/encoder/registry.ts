import { BUILTIN_ID, MINILM, RESNET } from './builtin/packages.ts';
import type { TowerPrecision } from './precision.ts';
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
  /** SPDX name, or the hub's name of a licence without one. */
  readonly licence: string;
  /** Languages of class names that the text tower has learnt. */
  readonly languages: 'English' | 'many';
  /** Published zero-shot accuracy on ImageNet in percent, of the model in single precision, and where it is published. */
  readonly imagenet?: { readonly accuracy: number; readonly source: string };
  /** Milliseconds of the image tower for a picture, in batches on two cores of an AMD EPYC, where they were measured (docs/results.md). */
  readonly milliseconds?: number;
  /** Known sha256 of files. For other files the hub's sha256 at the revision is used. */
  readonly sha256?: Readonly<Record<string, string>>;
}

/** The accuracies published with open_clip: docs/openclip_results.csv. */
const openClip = (accuracy: number) => ({ imagenet: { accuracy, source: "open_clip's table of results" } });
/** The accuracies in the README of apple/ml-mobileclip. */
const mobileClip = (accuracy: number) => ({ imagenet: { accuracy, source: "MobileCLIP's README" } });

// Hashes of exports are from projects that publish them for the same revision.
const B32 = {
  repo: 'Xenova/clip-vit-base-patch32',
  revision: 'd15189d7028b43f1d3e65039190477f6af591c2a',
  dimension: 512,
  licence: 'MIT',
  languages: 'English',
  ...openClip(63.3),
  sha256: {
    'onnx/vision_model.onnx': 'fd6e1402a588279d1723c7534d4bcba5bc0b14b47dfab0e46f8c47b8270d7d40',
    'onnx/vision_model_fp16.onnx': '35c4e0fb0aeee527dcde1693520b214a34424a786babd530f35366bad5844efd',
    'onnx/vision_model_q4.onnx': '0769eb1d2f6f68927bbfa6e5330df4c4c3c112f89cd43eae28baafa9e6bd34b4',
    'onnx/vision_model_quantized.onnx': '583fd1110a514667812fee7d684952aaf82a99b959760c8d7dca7e0ab9839299',
    'onnx/text_model.onnx': '3f6571f5bad13a97c469c1622e1cfc4d9aef78b79fdbfcff804ca357bfada8cc',
    'onnx/text_model_fp16.onnx': 'df587ffbf248bf20d44fa6e16adc5ebc27ead691860e5333dbdaab5fd6bf3f6e',
    'onnx/text_model_quantized.onnx': '73baab855d406190da9faa498cfedf65f15cf309f4cc7385b7b032e6d08e5c3a',
    'config.json': '493ef57ff783e42d1530c91b53469b7fdf8db8a9c1408e86998fcb7899a4f495',
    'preprocessor_config.json': '6f638fb9401a6d6296feff533ee7efe657b787c49f954f82f5906b36ef2a1b1f',
    'tokenizer.json': 'f7f3b7af117d467b58374797691a6438d3e6b9e9cef800dfd5dced7f697a90cd',
    'tokenizer_config.json': '60ba2912bc6344c94bc16bbdec27fa1209409167b6f2fdf3cfe9e65462ea3967',
  },
} as const;

const B16 = {
  repo: 'Xenova/clip-vit-base-patch16',
  revision: 'c32d8e02b868e2fbb4d080d155161b06393fb0f2',
  dimension: 512,
  licence: 'MIT',
  languages: 'English',
  ...openClip(68.3),
  sha256: {
    'onnx/vision_model.onnx': 'b5170b47c0ecc667c9af5b42ed460c341377706d1466d177798c65fe49ea1e6b',
    'onnx/vision_model_quantized.onnx': '44eece4fe5fe4e0359a88268a327adf758633a1aade3917690b952bef1501f96',
    'onnx/text_model.onnx': '19f40c7988af119fc50dabfe8015da8595c0372000e2c1f1a6289e35930577aa',
    'onnx/text_model_quantized.onnx': '9106b51e6c663a56b99182ec617c2b3d53577b037e7e24a7717eb78048a0c97a',
  },
} as const;

const FROM_WEIGHTS = { precision: 'fp32', licence: 'MIT', languages: 'English' } as const;

/** Apple's licence of the weights allows research only. */
const MOBILE = { precision: 'fp32', dimension: 512, licence: 'apple-amlr', languages: 'English' } as const;

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
    languages: 'English',
    milliseconds: 56,
  },
  {
    id: 'clip-vit-b32',
    about: "OpenAI's CLIP ViT-B/32, a fast one.",
    precision: 'fp32',
    megabytes: 608,
    milliseconds: 64,
    ...B32,
  },
  {
    id: 'clip-vit-b32-q4',
    about: "OpenAI's CLIP ViT-B/32, small: image tower in 4 bits, text tower in 8. auto's choice.",
    precision: 'vision=q4,text=quantized',
    megabytes: 130,
    ...B32,
  },
  {
    id: 'clip-vit-b32-fp16',
    about: "OpenAI's CLIP ViT-B/32 in half precision: half the download.",
    precision: 'fp16',
    megabytes: 306,
    ...B32,
  },
  {
    id: 'clip-vit-b32-int8',
    about: "OpenAI's CLIP ViT-B/32 in 8-bit integers: its features differ noticeably.",
    precision: 'quantized',
    megabytes: 156,
    ...B32,
  },
  {
    id: 'clip-vit-b16',
    about: "OpenAI's CLIP ViT-B/16, with smaller patches: better, four times slower.",
    precision: 'fp32',
    megabytes: 601,
    ...B16,
  },
  {
    id: 'clip-vit-b16-int8',
    about: "OpenAI's CLIP ViT-B/16 in 8-bit integers: its features differ noticeably.",
    precision: 'quantized',
    megabytes: 154,
    ...B16,
  },
  {
    id: 'clip-rn50',
    about: "OpenAI's CLIP with a ResNet50, the main encoder of the paper; built from its weights.",
    repo: 'timm/resnet50_clip.openai',
    megabytes: 408,
    dimension: 1024,
    ...FROM_WEIGHTS,
    ...openClip(59.8),
  },
  {
    id: 'clip-rn101',
    about: "OpenAI's CLIP with a ResNet101; built from its weights.",
    repo: 'timm/resnet101_clip.openai',
    megabytes: 479,
    dimension: 512,
    ...FROM_WEIGHTS,
    ...openClip(62.3),
  },
  {
    id: 'clip-rn50x16',
    about: "OpenAI's CLIP with a ResNet50 of sixteen times the work, at 384 pixels; from weights.",
    repo: 'timm/resnet50x16_clip.openai',
    megabytes: 1160,
    dimension: 768,
    ...FROM_WEIGHTS,
    ...openClip(70.7),
  },
  {
    id: 'clip-vit-b32-weights',
    about: "OpenAI's CLIP ViT-B/32 built from its weights: needed to learn prompts (CoOp).",
    repo: 'timm/vit_base_patch32_clip_224.openai',
    megabytes: 605,
    dimension: 512,
    ...FROM_WEIGHTS,
    ...openClip(63.3),
    milliseconds: 68,
  },
  {
    id: 'clip-vit-b16-weights',
    about: "OpenAI's CLIP ViT-B/16 built from its weights: needed to learn prompts (CoOp).",
    repo: 'timm/vit_base_patch16_clip_224.openai',
    megabytes: 599,
    dimension: 512,
    ...FROM_WEIGHTS,
    ...openClip(68.3),
  },
  {
    id: 'clip-vit-l14',
    about: "OpenAI's CLIP ViT-L/14, its largest at 224 pixels; built from its weights.",
    repo: 'openai/clip-vit-large-patch14',
    megabytes: 1710,
    dimension: 768,
    ...FROM_WEIGHTS,
    ...openClip(75.5),
  },
  {
    id: 'mobileclip-s0',
    about: "Apple's MobileCLIP, the smallest; for research only.",
    repo: 'Xenova/mobileclip_s0',
    megabytes: 218,
    ...MOBILE,
    ...mobileClip(67.8),
    revision: '757d59c9c6870a76a4b0306f05f5061bca15c39f',
    sha256: {
      'onnx/vision_model.onnx': '17d3c037b1d488c10c50e09f6009ea5a198caef4e0e8f4ea5617b7cb2d067ac0',
      'onnx/text_model.onnx': 'f6e9bd5742bfc515889e901634d8a2ff2a57fab8564e4ad3760e800b1a51b77c',
      'tokenizer.json': '72ed5c96db5729294468543e4bc75fce14ca63f58e37300290189ba1c1e52b85',
    },
  },
  {
    id: 'mobileclip-s1',
    about: "Apple's MobileCLIP, the second; for research only.",
    repo: 'Xenova/mobileclip_s1',
    megabytes: 340,
    ...MOBILE,
    ...mobileClip(72.6),
  },
  {
    id: 'mobileclip-s2',
    about: "Apple's MobileCLIP, the third; for research only.",
    repo: 'Xenova/mobileclip_s2',
    megabytes: 396,
    ...MOBILE,
    ...mobileClip(74.4),
  },
  {
    id: 'mobileclip-b',
    about: "Apple's MobileCLIP, the largest; for research only.",
    repo: 'Xenova/mobileclip_b',
    megabytes: 599,
    ...MOBILE,
    ...mobileClip(76.8),
  },
  {
    id: 'siglip-base',
    about: "Google's SigLIP, base size, at 224 pixels.",
    repo: 'Xenova/siglip-base-patch16-224',
    precision: 'fp32',
    revision: '4649052661e53c7000355844105f8a1792088239',
    dimension: 768,
    megabytes: 816,
    licence: 'Apache-2.0',
    languages: 'English',
    sha256: {
      'onnx/vision_model.onnx': 'f89d41bac7f4d4b87e010a467d93f98689d708916ed22f5a07f96fdfa26f475f',
      'onnx/text_model.onnx': '3aa7fdbd20eaa8740cce17bf82913de641fcb632a768fed59f661cdcd0c32553',
      'tokenizer.json': '4a17c975210be5ab4c36b47d8dae4eefb866dbfb1e676e394aad85dc30a3ae08',
    },
  },
  {
    id: 'siglip2-base-q8',
    about: "Google's SigLIP 2, base size, at 224 pixels, in 8-bit integers: reads names in many languages.",
    repo: 'onnx-community/siglip2-base-patch16-224-ONNX',
    revision: 'ba1f3b0843f24bc5417d38e19c37b287d719b2f4',
    precision: 'quantized',
    dimension: 768,
    megabytes: 412,
    licence: 'Apache-2.0',
    languages: 'many',
    imagenet: { accuracy: 78.2, source: "SigLIP 2's README" },
    sha256: {
      'onnx/vision_model_quantized.onnx': '5f2b401c1a4fc095702a5d45348e17ad46c4f87064085365b43c6e8eaa5c0070',
      'onnx/text_model_quantized.onnx': '3a0603d3a00c05a80a6ded4743c16aaac7b1e62cdcc7e362e7ce418659b96400',
      'tokenizer.json': 'cb9140fae3ac5122c972d37adf83e1248471a38147ad76f8215c8872c6fd8322',
    },
  },
  {
    id: 'jina-clip-v1',
    about: "Jina's CLIP, for long texts.",
    repo: 'jinaai/jina-clip-v1',
    precision: 'fp32',
    dimension: 768,
    megabytes: 892,
    licence: 'Apache-2.0',
    languages: 'English',
  },
];

/** The CLIP that `auto` downloads if there is none on this machine. docs/decisions.md has the reasons. */
export const DEFAULT_CLIP = 'clip-vit-b32-q4';
