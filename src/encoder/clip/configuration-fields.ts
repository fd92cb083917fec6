import { z } from 'zod';
import { type Fields, unused } from '../fields.ts';
import type { PeRules } from './pe.ts';
import type { Activation } from './transformer.ts';

export const count = z.int().positive().max(1e7);
/** One number, or the same number for height and width. */
export const side = z.union([
  count,
  z
    .tuple([count, count])
    .refine(([height, width]) => height === width, 'only squares are supported')
    .transform(([height]) => height),
]);
const ACTIVATIONS = {
  gelu: 'gelu',
  quick_gelu: 'quick_gelu',
  gelu_pytorch_tanh: 'gelu_tanh',
  silu: 'silu',
} as const;
export const activation = z
  .enum(['gelu', 'quick_gelu', 'gelu_pytorch_tanh', 'silu'])
  .transform((name): Activation => ACTIVATIONS[name]);

export const TRAINING = 'it matters in training only';
const BOOKKEEPING = 'it says where the model is from, or how it is stored';
const GENERATION = 'it is for models that write text';
export const OUTPUTS = 'it says which results Python returns';
const TOKENIZER = 'tokenizer.json decides it';
export const TENSOR = 'the weights hold it';

/** Fields that any configuration of transformers 2 to 5 may have (`PreTrainedConfig`), and that do not change CLIP's output. */
export const COMMON = {
  ...unused(BOOKKEEPING, [
    '_name_or_path',
    '_attn_implementation_autoset',
    '_commit_hash',
    'architectures',
    'name_or_path',
    'transformers_version',
    'torch_dtype',
    'dtype',
    'tokenizer_class',
    'use_bfloat16',
    'torchscript',
  ]),
  ...unused(OUTPUTS, ['output_attentions', 'output_hidden_states', 'return_dict', 'use_return_dict']),
  ...unused(TRAINING, [
    'attention_dropout',
    'dropout',
    'finetuning_task',
    'gradient_checkpointing',
    'initializer_factor',
    'initializer_range',
    'problem_type',
    'tf_legacy_loss',
  ]),
  ...unused('it names the classes of another head', [
    'id2label',
    'label2id',
    'num_labels',
    'task_specific_params',
  ]),
  ...unused('it saves memory and changes nothing', ['chunk_size_feed_forward', 'use_cache']),
  ...unused('CLIP has no second text side', [
    'tie_word_embeddings',
    'tie_encoder_decoder',
    'cross_attention_hidden_size',
  ]),
  ...unused(GENERATION, [
    'bad_words_ids',
    'begin_suppress_tokens',
    'decoder_start_token_id',
    'diversity_penalty',
    'do_sample',
    'early_stopping',
    'encoder_no_repeat_ngram_size',
    'exponential_decay_length_penalty',
    'forced_bos_token_id',
    'forced_eos_token_id',
    'length_penalty',
    'max_length',
    'min_length',
    'no_repeat_ngram_size',
    'num_beam_groups',
    'num_beams',
    'num_return_sequences',
    'output_scores',
    'prefix',
    'remove_invalid_values',
    'repetition_penalty',
    'return_dict_in_generate',
    'sep_token_id',
    'suppress_tokens',
    'temperature',
    'top_k',
    'top_p',
    'typical_p',
  ]),
  add_cross_attention: z.literal(false),
  is_decoder: z.literal(false),
  is_encoder_decoder: z.literal(false),
  pruned_heads: z.strictObject({}),
} as const;

export const TOWER = {
  ...COMMON,
  ...unused('CLIPModel uses that of the whole model', ['projection_dim']),
  hidden_act: activation,
  hidden_size: count,
  intermediate_size: count,
  layer_norm_eps: z.number().positive().max(1),
  num_attention_heads: count,
  num_hidden_layers: count,
} as const;

export const HUB_TEXT = {
  ...TOWER,
  ...unused(TOKENIZER, ['bos_token_id', 'pad_token_id']),
  model_type: z.literal('clip_text_model'),
  eos_token_id: z.int().nonnegative(),
  max_position_embeddings: count,
  vocab_size: count,
} as const;

export const HUB_IMAGE = {
  ...TOWER,
  ...unused(TOKENIZER, ['bos_token_id', 'eos_token_id', 'pad_token_id']),
  model_type: z.literal('clip_vision_model'),
  image_size: side,
  num_channels: z.literal(3),
  patch_size: side,
} as const;

/** Hugging Face's `config.json` of a CLIPModel. */
export const HUB = {
  ...COMMON,
  ...unused(TOKENIZER, ['bos_token_id', 'eos_token_id', 'pad_token_id']),
  ...unused(TENSOR, ['logit_scale_init_value']),
  model_type: z.literal('clip'),
  projection_dim: count,
  text_config: HUB_TEXT,
  text_config_dict: HUB_TEXT,
  vision_config: HUB_IMAGE,
  vision_config_dict: HUB_IMAGE,
} as const satisfies Fields;

/** Hugging Face's `config.json` of a SiglipModel, which is also that of SigLIP 2 at a fixed resolution. */
export const SIGLIP = {
  ...COMMON,
  ...unused(BOOKKEEPING, ['auto_map']),
  model_type: z.literal('siglip'),
  text_config: {
    ...TOWER,
    // The configurations state numbers that the tokenizer does not have.
    ...unused(TOKENIZER, ['bos_token_id', 'eos_token_id', 'pad_token_id']),
    model_type: z.literal('siglip_text_model'),
    max_position_embeddings: count,
    projection_size: count,
    vocab_size: count,
  },
  vision_config: {
    ...TOWER,
    model_type: z.literal('siglip_vision_model'),
    image_size: side,
    num_channels: z.literal(3),
    patch_size: side,
    vision_use_head: z.literal(true),
  },
} as const satisfies Fields;

/**
 * SigLIP's image towers in timm 1.0 (vision_transformer.py): heads and activation, which timm derives from the name. open_clip publishes
 * them with their activation in training, which differs between versions of SigLIP.
 */
export const TIMM_TOWERS: Readonly<Record<string, readonly [heads: number, activation: Activation]>> = {
  vit_base_patch32_siglip_256: [12, 'gelu_tanh'],
  vit_base_patch16_siglip_224: [12, 'gelu'],
  vit_base_patch16_siglip_256: [12, 'gelu'],
  vit_base_patch16_siglip_384: [12, 'gelu'],
  vit_base_patch16_siglip_512: [12, 'gelu'],
  vit_large_patch16_siglip_256: [16, 'gelu'],
  vit_large_patch16_siglip_384: [16, 'gelu'],
  vit_large_patch16_siglip_512: [16, 'gelu_tanh'],
  vit_so400m_patch14_siglip_224: [16, 'gelu'],
  vit_so400m_patch14_siglip_378: [16, 'gelu'],
  vit_so400m_patch14_siglip_384: [16, 'gelu'],
  vit_so400m_patch16_siglip_256: [16, 'gelu_tanh'],
  vit_so400m_patch16_siglip_384: [16, 'gelu_tanh'],
  vit_so400m_patch16_siglip_512: [16, 'gelu_tanh'],
  vit_giantopt_patch16_siglip_256: [16, 'gelu_tanh'],
  vit_giantopt_patch16_siglip_384: [16, 'gelu_tanh'],
};

/** ConvNeXts of timm 1.0 (convnext.py) that open_clip has as image towers, with the epsilon of their normalisations. */
export const CONVNEXTS: Readonly<Record<string, number>> = {
  convnext_tiny: 1e-6,
  convnext_small: 1e-6,
  convnext_base: 1e-6,
  convnext_large: 1e-6,
  convnext_xlarge: 1e-6,
  convnext_xxlarge: 1e-5,
};

/**
 * EVA-02's image towers of timm 1.0 (eva.py) that open_clip has: heads, and patches along a side in which rotary positions are counted. The
 * others of timm (EVA-01, EVA-02 E) have blocks of another kind.
 */
export const EVAS: Readonly<Record<string, readonly [heads: number, grid: number]>> = {
  eva02_base_patch16_clip_224: [12, 16],
  eva02_large_patch14_clip_224: [16, 16],
  eva02_large_patch14_clip_336: [16, 16],
};

/**
 * The Perception Encoders of timm 1.0 (eva.py) that open_clip has, with their heads. That of PE-Core-bigG has no class token, and counts
 * rotary positions from 0; the others count from 1.
 */
export const PES: Readonly<Record<string, PeRules & { readonly heads: number }>> = {
  vit_pe_core_tiny_patch16_384: { heads: 3, grid: 24, offset: 1, classToken: true },
  vit_pe_core_small_patch16_384: { heads: 6, grid: 24, offset: 1, classToken: true },
  vit_pe_core_base_patch16_224: { heads: 12, grid: 14, offset: 1, classToken: true },
  vit_pe_core_large_patch14_336: { heads: 16, grid: 24, offset: 1, classToken: true },
  vit_pe_core_gigantic_patch14_448: { heads: 16, grid: 32, offset: 0, classToken: false },
};

/** open_clip's variants of a transformer block. They are supported only when switched off. */
const BLOCK = {
  norm_kwargs: z.strictObject({ eps: z.number().positive().max(1).optional() }),
  block_type: z.literal('default'),
  output_tokens: z.literal(false),
  qk_norm: z.literal(false),
  scale_attn: z.literal(false),
  scale_attn_inner: z.literal(false),
  scale_fc: z.literal(false),
  scale_heads: z.literal(false),
  scaled_cosine_attn: z.literal(false),
} as const;

const SHAPES = "the weights' shapes say it";

/** open_clip's `open_clip_config.json` (CLIPVisionCfg, CLIPTextCfg and CLIP of open_clip 3.3, and earlier). */
export const OPEN_CLIP = {
  ...unused(BOOKKEEPING, ['timm_tag', 'tags', 'architecture']),
  model_cfg: {
    ...unused(BOOKKEEPING, ['cast_dtype', 'output_dict']),
    ...unused(TENSOR, ['init_logit_bias', 'init_logit_scale', 'nonscalar_logit_scale']),
    ...unused('the names of the weights say it', ['custom_text']),
    embed_dim: count,
    quick_gelu: z.boolean(),
    vision_cfg: {
      ...BLOCK,
      ...unused(TRAINING, ['patch_dropout', 'timm_drop', 'timm_drop_path', 'timm_model_pretrained']),
      ...unused(SHAPES, ['mlp_ratio']),
      ...unused('there is no attentional pool', ['attn_pooler_heads', 'attn_pooler_queries']),
      ...unused(TENSOR, ['timm_proj_bias']),
      act_kwargs: z.strictObject({}),
      attentional_pool: z.literal(false),
      final_ln_after_pool: z.boolean(),
      head_width: count,
      image_size: side,
      layers: z.union([count, z.tuple([count, count, count, count])]),
      no_ln_pre: z.boolean(),
      patch_size: side,
      pool_type: z.enum(['tok', 'avg']),
      pos_embed_type: z.literal('learnable'),
      timm_model_name: z.enum([TIMM_TOWERS, CONVNEXTS, EVAS, PES].flatMap((table) => Object.keys(table))),
      // A tower of another kind does not have the tensors of the pool and the projection.
      timm_pool: z.enum(['map', 'avg', 'token', '']),
      timm_proj: z.enum(['none', 'linear', 'mlp']),
      width: count,
    },
    text_cfg: {
      ...BLOCK,
      ...unused(TOKENIZER, ['pad_id', 'tokenizer_mode']),
      ...unused(SHAPES, ['mlp_ratio', 'proj_bias']),
      ...unused('there is no text model of Hugging Face', [
        'hf_model_pretrained',
        'hf_pooler_type',
        'hf_proj_type',
      ]),
      act_kwargs: z.strictObject({ approximate: z.enum(['none', 'tanh']).optional() }),
      context_length: count,
      embed_cls: z.literal(false),
      eos_id: z.int().nonnegative(),
      final_ln_after_pool: z.literal(false),
      heads: count,
      hf_tokenizer_name: z.string(),
      layers: count,
      no_causal_mask: z.boolean(),
      pool_type: z.enum(['argmax', 'eos', 'last']),
      proj_type: z.literal('linear'),
      tokenizer_kwargs: z.strictObject({
        clean: z.enum(['canonicalize', 'lower', 'whitespace']).optional(),
        strip_sep_token: z.boolean().optional(),
      }),
      use_pad_mask: z.literal(false),
      vocab_size: count,
      width: count,
    },
  },
  preprocess_cfg: {
    ...unused('pictures fill the input', ['fill_color']),
    interpolation: z.enum(['bicubic', 'bilinear']),
    mean: z.tuple([z.number(), z.number(), z.number()]),
    mode: z.literal('RGB'),
    resize_mode: z.enum(['shortest', 'squash']),
    size: side,
    std: z.tuple([z.number(), z.number(), z.number()]),
  },
} as const satisfies Fields;
