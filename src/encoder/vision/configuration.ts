import { z } from 'zod';
import type { Size } from '../clip/configuration.ts';
import { activation, COMMON, count, OUTPUTS, side, TENSOR, TRAINING } from '../clip/configuration-fields.ts';
import { type Fields, type Json, readFields, unused } from '../fields.ts';
import type { Resampling } from './positions.ts';
import type { VisionShape } from './tower.ts';

/** Facts about a vision transformer that its weights do not show, and the sizes that its configuration states. */
export interface VisionConfiguration {
  readonly family: VisionFamily;
  readonly rules: Pick<
    VisionShape,
    'heads' | 'activation' | 'epsilon' | 'theta' | 'scales' | 'gated' | 'unbiased'
  >;
  /** How learnt positions are adapted to another size of pictures. If undefined, the size must be that of the training. */
  readonly resampling?: Resampling;
  readonly sizes: readonly Size<VisionShape & { readonly trained: number }>[];
}

export type VisionFamily = keyof typeof FAMILIES;

const BACKBONE = ['apply_layernorm', 'out_features', 'out_indices', 'reshape_hidden_states', 'stage_names'];

const VISION = {
  ...COMMON,
  ...unused(OUTPUTS, BACKBONE),
  ...unused(TRAINING, ['attention_probs_dropout_prob', 'drop_path_rate', 'hidden_dropout_prob']),
  ...unused(TENSOR, ['layerscale_value']),
  hidden_act: activation,
  hidden_size: count,
  image_size: side,
  layer_norm_eps: z.number().positive().max(1),
  num_attention_heads: count,
  num_channels: z.literal(3),
  num_hidden_layers: count,
  patch_size: side,
} as const;

const DINOV2 = {
  ...VISION,
  ...unused(TRAINING, ['use_mask_token']),
  ...unused(TENSOR, ['mlp_ratio']),
  model_type: z.enum(['dinov2', 'dinov2_with_registers']),
  interpolate_antialias: z.literal(true),
  interpolate_offset: z.literal(0),
  num_register_tokens: count,
  qkv_bias: z.boolean(),
  use_swiglu_ffn: z.boolean(),
} as const satisfies Fields;

const DINOV3 = {
  ...VISION,
  ...unused(TRAINING, ['pos_embed_jitter', 'pos_embed_rescale', 'pos_embed_shift']),
  ...unused(TENSOR, ['intermediate_size']),
  model_type: z.literal('dinov3_vit'),
  key_bias: z.boolean(),
  mlp_bias: z.boolean(),
  num_register_tokens: z.int().nonnegative().max(1e3),
  proj_bias: z.boolean(),
  query_bias: z.boolean(),
  rope_theta: z.number().positive().max(1e9),
  use_gated_mlp: z.boolean(),
  value_bias: z.boolean(),
} as const satisfies Fields;

const VIT = {
  ...VISION,
  ...unused(TENSOR, ['intermediate_size']),
  ...unused('it is for another head', ['encoder_stride', 'pooler_act', 'pooler_output_size']),
  model_type: z.literal('vit'),
  qkv_bias: z.boolean(),
} as const satisfies Fields;

const HINT = 'Use an encoder that tip-adapter encoders list names, or a model of DINOv2, DINOv3 or ViT.';

const FAMILIES = {
  dinov2: (json: Json) => dinov2(json),
  dinov2_with_registers: (json: Json) => dinov2(json),
  dinov3_vit: (json: Json) => dinov3(json),
  vit: (json: Json) => vit(json),
} as const satisfies Record<string, (json: Json) => VisionConfiguration>;

/** The family of a model without texts, by its `config.json`; undefined for other models. */
export function visionFamily(read: (path: string) => Json | undefined): VisionFamily | undefined {
  const type = read('config.json')?.model_type;
  return typeof type === 'string' && Object.hasOwn(FAMILIES, type) ? (type as VisionFamily) : undefined;
}

/** Reads `config.json`. Throws `ModelError` that names an unsupported field. */
export function visionConfiguration(
  family: VisionFamily,
  read: (path: string) => Json | undefined,
): VisionConfiguration {
  return FAMILIES[family](read('config.json') ?? {});
}

const FILE = { file: 'config.json', hint: HINT };
const QKV = ['attn.q', 'attn.k', 'attn.v'];

function dinov2(json: Json): VisionConfiguration {
  const config = readFields(json, DINOV2, FILE);
  const hasRegisters = config.model_type === 'dinov2_with_registers';
  const registers = hasRegisters ? (config.num_register_tokens ?? 4) : 0;
  return {
    family: hasRegisters ? 'dinov2_with_registers' : 'dinov2',
    rules: {
      heads: config.num_attention_heads ?? 12,
      // The gated perceptron has one activation, whatever the configuration says.
      activation: config.use_swiglu_ffn ? 'silu' : (config.hidden_act ?? 'gelu'),
      epsilon: config.layer_norm_eps ?? 1e-6,
      scales: true,
      gated: config.use_swiglu_ffn ?? false,
      unbiased: (config.qkv_bias ?? true) ? [] : QKV,
    },
    resampling: hasRegisters ? 'bicubic-antialias' : 'bicubic',
    sizes: [
      ...sizesOf(config),
      ['num_register_tokens', registers, (shape) => shape.registers],
      ['image_size', config.image_size ?? 224, (shape) => shape.trained],
    ],
  };
}

function dinov3(json: Json): VisionConfiguration {
  const config = readFields(json, DINOV3, FILE);
  const gated = config.use_gated_mlp ?? false;
  const mlp = gated ? ['mlp.gate', 'mlp.up', 'mlp.down'] : ['mlp.up', 'mlp.down'];
  const biased: readonly (readonly [boolean, readonly string[]])[] = [
    [config.query_bias ?? true, ['attn.q']],
    [config.key_bias ?? false, ['attn.k']],
    [config.value_bias ?? true, ['attn.v']],
    [config.proj_bias ?? true, ['attn.out']],
    [config.mlp_bias ?? true, mlp],
  ];
  return {
    family: 'dinov3_vit',
    rules: {
      heads: config.num_attention_heads ?? 6,
      activation: config.hidden_act ?? 'gelu',
      epsilon: config.layer_norm_eps ?? 1e-5,
      theta: config.rope_theta ?? 100,
      scales: true,
      gated,
      unbiased: biased.flatMap(([has, names]) => (has ? [] : names)),
    },
    sizes: [
      ...sizesOf(config),
      ['num_register_tokens', config.num_register_tokens, (shape) => shape.registers],
    ],
  };
}

function vit(json: Json): VisionConfiguration {
  const config = readFields(json, VIT, FILE);
  return {
    family: 'vit',
    rules: {
      heads: config.num_attention_heads ?? 12,
      activation: config.hidden_act ?? 'gelu',
      epsilon: config.layer_norm_eps ?? 1e-12,
      scales: false,
      gated: false,
      unbiased: (config.qkv_bias ?? true) ? [] : QKV,
    },
    sizes: [...sizesOf(config), ['image_size', config.image_size ?? 224, (shape) => shape.trained]],
  };
}

interface StatedSizes {
  readonly hidden_size?: number;
  readonly num_hidden_layers?: number;
  readonly patch_size?: number;
}

function sizesOf({ hidden_size, num_hidden_layers, patch_size }: StatedSizes): VisionConfiguration['sizes'] {
  return [
    ['hidden_size', hidden_size, ({ width }) => width],
    ['num_hidden_layers', num_hidden_layers, ({ blocks }) => blocks],
    ['patch_size', patch_size, ({ patch }) => patch],
  ];
}
