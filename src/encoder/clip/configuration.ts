import { z } from 'zod';
import { ModelError } from '../../errors.ts';
import { type Fields, type Json, readFields, unused, type Values } from '../fields.ts';
import type { Activation } from './transformer.ts';
import type { ClipRules, ClipShape } from './weights.ts';

/** The configuration of a CLIP that is built from weights. */
export interface ClipConfiguration {
  /** Facts that the shapes of the weights do not determine. */
  readonly rules: ClipRules;
  /** Stated sizes. A size that differs from the weights' is refused. */
  readonly sizes: readonly Size[];
  /** open_clip's description of the preprocessing; absent if another file has it. */
  readonly preprocessing?: Values<(typeof OPEN_CLIP)['preprocess_cfg']>;
}

export type Size = readonly [
  field: string,
  stated: number | undefined,
  of: (shape: ClipShape) => number | undefined,
];

const count = z.int().positive().max(1e7);
/** One number, or the same number for height and width. */
const side = z.union([
  count,
  z
    .tuple([count, count])
    .refine(([height, width]) => height === width, 'only squares are supported')
    .transform(([height]) => height),
]);
const activation = z.enum(['gelu', 'quick_gelu']) satisfies z.ZodType<Activation>;

const TRAINING = 'it matters in training only';
const BOOKKEEPING = 'it says where the model is from, or how it is stored';
const GENERATION = 'it is for models that write text';
const OUTPUTS = 'it says which results Python returns';
const TOKENIZER = 'tokenizer.json decides it';
const TENSOR = 'the weights hold it';

/** Fields that any configuration of transformers 2 to 5 may have (`PreTrainedConfig`), and that do not change CLIP's output. */
const COMMON = {
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

const TOWER = {
  ...COMMON,
  ...unused('CLIPModel uses that of the whole model', ['projection_dim']),
  hidden_act: activation,
  hidden_size: count,
  intermediate_size: count,
  layer_norm_eps: z.number().positive().max(1),
  num_attention_heads: count,
  num_hidden_layers: count,
} as const;

const HUB_TEXT = {
  ...TOWER,
  ...unused(TOKENIZER, ['bos_token_id', 'pad_token_id']),
  model_type: z.literal('clip_text_model'),
  eos_token_id: z.int().nonnegative(),
  max_position_embeddings: count,
  vocab_size: count,
} as const;

const HUB_IMAGE = {
  ...TOWER,
  ...unused(TOKENIZER, ['bos_token_id', 'eos_token_id', 'pad_token_id']),
  model_type: z.literal('clip_vision_model'),
  image_size: side,
  num_channels: z.literal(3),
  patch_size: side,
} as const;

/** Hugging Face's `config.json` of a CLIPModel. */
const HUB = {
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

/** open_clip's variants of a transformer block. They are supported only when switched off. */
const BLOCK = {
  act_kwargs: z.strictObject({}),
  norm_kwargs: z.strictObject({ eps: z.number().positive().max(1).optional() }),
  block_type: z.literal('default'),
  final_ln_after_pool: z.literal(false),
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
const OPEN_CLIP = {
  ...unused(BOOKKEEPING, ['timm_tag', 'tags', 'architecture']),
  model_cfg: {
    ...unused(BOOKKEEPING, ['cast_dtype', 'output_dict']),
    ...unused(TENSOR, ['init_logit_scale', 'nonscalar_logit_scale']),
    ...unused('a number that is added to all scores alike changes no probability', ['init_logit_bias']),
    custom_text: z.literal(false),
    embed_dim: count,
    quick_gelu: z.boolean(),
    vision_cfg: {
      ...BLOCK,
      ...unused(TRAINING, ['patch_dropout', 'timm_drop', 'timm_drop_path', 'timm_model_pretrained']),
      ...unused(SHAPES, ['mlp_ratio']),
      ...unused('there is no attentional pool', ['attn_pooler_heads', 'attn_pooler_queries']),
      ...unused('there is no model of timm', ['timm_pool', 'timm_proj', 'timm_proj_bias']),
      attentional_pool: z.literal(false),
      head_width: count,
      image_size: side,
      layers: z.union([count, z.tuple([count, count, count, count])]),
      no_ln_pre: z.literal(false),
      patch_size: side,
      pool_type: z.literal('tok'),
      pos_embed_type: z.literal('learnable'),
      width: count,
    },
    text_cfg: {
      ...BLOCK,
      ...unused(TOKENIZER, ['hf_tokenizer_name', 'pad_id', 'tokenizer_mode']),
      ...unused(SHAPES, ['mlp_ratio']),
      ...unused('there is no text model of Hugging Face', [
        'hf_model_pretrained',
        'hf_pooler_type',
        'hf_proj_type',
      ]),
      ...unused('the largest token number is the end', ['eos_id']),
      context_length: count,
      embed_cls: z.literal(false),
      heads: count,
      layers: count,
      no_causal_mask: z.literal(false),
      pool_type: z.literal('argmax'),
      proj_bias: z.literal(false),
      proj_type: z.literal('linear'),
      tokenizer_kwargs: z.strictObject({}),
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

const HINT = 'Use an ONNX export of the model.';

/** For OpenAI's own weights, which came without a configuration. */
const OPENAI_HINT =
  'For OpenAI\'s own weights write {"model_cfg": {"quick_gelu": true, "text_cfg": {"heads": N}}}, N a 64th of the text width.';

/**
 * Reads the configuration: Hugging Face's `config.json` or open_clip's `open_clip_config.json`, according to the names of the weights.
 * It is required because weights of the same shapes exist with several activations and numbers of heads. Throws `ModelError` if it is
 * missing or has an unsupported field.
 */
export function clipConfiguration(
  hubNames: boolean,
  read: (path: string) => Json | undefined,
): ClipConfiguration {
  const file = hubNames ? 'config.json' : 'open_clip_config.json';
  const json = read(file);
  if (!json) throw missing(file, hubNames);
  return hubNames
    ? hubConfiguration(readFields(json, HUB, { file, hint: HINT }))
    : openClipConfiguration(readFields(json, OPEN_CLIP, { file, hint: HINT }));
}

function missing(file: string, hubNames: boolean): ModelError {
  return new ModelError(`The weights of a CLIP lack ${file}, which says how to use them`, {
    code: 'clip/no-configuration',
    hint: `Get it from the source of the weights.${hubNames ? '' : ` ${OPENAI_HINT}`}`,
    details: { file },
  });
}

function hubConfiguration(config: Values<typeof HUB>): ClipConfiguration {
  // transformers fills `…_config_dict` with defaults and prefers it.
  const text = config.text_config_dict ?? config.text_config ?? {};
  const image = config.vision_config_dict ?? config.vision_config ?? {};
  const rulesOf = (tower: Values<typeof TOWER>, heads: number) => ({
    activation: tower.hidden_act ?? 'quick_gelu',
    epsilon: tower.layer_norm_eps ?? 1e-5,
    heads: () => tower.num_attention_heads ?? heads,
  });
  const end = text.eos_token_id ?? 49407;
  return {
    rules: {
      image: rulesOf(image, 12),
      // Until version 4.31, transformers wrote 2 for every model, whatever its end token was.
      text: { ...rulesOf(text, 8), end: end === 2 ? undefined : end },
    },
    sizes: [
      ['projection_dim', config.projection_dim, ({ dimension }) => dimension],
      ['vision_config.image_size', image.image_size, (shape) => shape.image.size],
      ['vision_config.patch_size', image.patch_size, (shape) => vitOf(shape)?.patch],
      ['vision_config.hidden_size', image.hidden_size, (shape) => vitOf(shape)?.width],
      ['vision_config.num_hidden_layers', image.num_hidden_layers, (shape) => vitOf(shape)?.blocks],
      ['text_config.max_position_embeddings', text.max_position_embeddings, (shape) => shape.text.context],
      ['text_config.hidden_size', text.hidden_size, (shape) => shape.text.width],
      ['text_config.num_hidden_layers', text.num_hidden_layers, (shape) => shape.text.blocks],
      ['text_config.vocab_size', text.vocab_size, (shape) => shape.text.vocabulary],
    ],
  };
}

function openClipConfiguration({
  model_cfg: model = {},
  preprocess_cfg: preprocessing,
}: Values<typeof OPEN_CLIP>): ClipConfiguration {
  const { vision_cfg: image = {}, text_cfg: text = {} } = model;
  const act: Activation = model.quick_gelu ? 'quick_gelu' : 'gelu';
  const { layers } = image;
  return {
    rules: {
      image: {
        activation: act,
        epsilon: image.norm_kwargs?.eps ?? 1e-5,
        heads: (width) => Math.floor(width / (image.head_width ?? 64)),
      },
      text: {
        activation: act,
        epsilon: text.norm_kwargs?.eps ?? 1e-5,
        heads: () => text.heads,
        end: undefined,
      },
    },
    sizes: [
      ['model_cfg.embed_dim', model.embed_dim, ({ dimension }) => dimension],
      ['model_cfg.vision_cfg.image_size', image.image_size, (shape) => shape.image.size],
      ['preprocess_cfg.size', preprocessing?.size, (shape) => shape.image.size],
      ...(typeof layers === 'number'
        ? ([
            ['model_cfg.vision_cfg.patch_size', image.patch_size, (shape) => vitOf(shape)?.patch],
            ['model_cfg.vision_cfg.width', image.width, (shape) => vitOf(shape)?.width],
            ['model_cfg.vision_cfg.layers', layers, (shape) => vitOf(shape)?.blocks],
          ] satisfies Size[])
        : (layers ?? []).map(
            (blocks, i): Size => [
              `model_cfg.vision_cfg.layers[${i}]`,
              blocks,
              ({ image: tower }) => (tower.kind === 'resnet' ? tower.layers[i] : undefined),
            ],
          )),
      ['model_cfg.text_cfg.context_length', text.context_length, (shape) => shape.text.context],
      ['model_cfg.text_cfg.width', text.width, (shape) => shape.text.width],
      ['model_cfg.text_cfg.layers', text.layers, (shape) => shape.text.blocks],
      ['model_cfg.text_cfg.vocab_size', text.vocab_size, (shape) => shape.text.vocabulary],
    ],
    preprocessing: preprocessing ?? {},
  };
}

function vitOf({ image }: ClipShape) {
  return image.kind === 'vit' ? image : undefined;
}
