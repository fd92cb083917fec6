import { z } from 'zod';
import { ModelError } from '../../errors.ts';
import { type Fields, type Json, readFields, unused, type Values } from '../fields.ts';
import type { TextRule } from '../record.ts';
import type { Activation } from './transformer.ts';
import { CLIP_VIT } from './vit.ts';
import type { ClipCheckpoint, ClipRules, ClipShape } from './weights.ts';

/** The configuration of a CLIP or SigLIP that is built from weights. */
export interface ClipConfiguration {
  /** Facts that the shapes of the weights do not determine. */
  readonly rules: ClipRules;
  /** The cleaning of texts, and their padding: that of CLIP's own tokenizer, or as the files of the tokenizer say. */
  readonly text: { readonly cleaning: TextRule['cleaning']; readonly pad: 0 | 'tokenizer' };
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
const ACTIVATIONS = { gelu: 'gelu', quick_gelu: 'quick_gelu', gelu_pytorch_tanh: 'gelu_tanh' } as const;
const activation = z
  .enum(['gelu', 'quick_gelu', 'gelu_pytorch_tanh'])
  .transform((name): Activation => ACTIVATIONS[name]);

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

/** Hugging Face's `config.json` of a SiglipModel, which is also that of SigLIP 2 at a fixed resolution. */
const SIGLIP = {
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
const TIMM_TOWERS: Readonly<Record<string, readonly [heads: number, activation: Activation]>> = {
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
const OPEN_CLIP = {
  ...unused(BOOKKEEPING, ['timm_tag', 'tags', 'architecture']),
  model_cfg: {
    ...unused(BOOKKEEPING, ['cast_dtype', 'output_dict']),
    ...unused(TENSOR, ['init_logit_scale', 'nonscalar_logit_scale']),
    ...unused('the names of the weights say it', ['custom_text']),
    ...unused('a number that is added to all scores alike changes no probability', ['init_logit_bias']),
    embed_dim: count,
    quick_gelu: z.boolean(),
    vision_cfg: {
      ...BLOCK,
      ...unused(TRAINING, ['patch_dropout', 'timm_drop', 'timm_drop_path', 'timm_model_pretrained']),
      ...unused(SHAPES, ['mlp_ratio']),
      ...unused('there is no attentional pool', ['attn_pooler_heads', 'attn_pooler_queries']),
      ...unused('there is no projection', ['timm_proj_bias']),
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
      timm_model_name: z.enum(Object.keys(TIMM_TOWERS)),
      timm_pool: z.literal('map'),
      timm_proj: z.literal('none'),
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
        strip_sep_token: z.literal(false).optional(),
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

const HINT = 'Use an ONNX export of the model.';

/** For OpenAI's own weights, which came without a configuration. */
const OPENAI_HINT =
  'For OpenAI\'s own weights write {"model_cfg": {"quick_gelu": true, "text_cfg": {"heads": N}}}, N a 64th of the text width.';

/**
 * Reads the configuration: Hugging Face's `config.json` or open_clip's `open_clip_config.json`, according to the names of the weights.
 * It is required because weights of the same shapes exist with several activations and numbers of heads; only OpenAI's own programs do
 * without. Throws `ModelError` if it is
 * missing or has an unsupported field.
 */
export function clipConfiguration(
  { hubNames, isScript, shapes }: Pick<ClipCheckpoint, 'hubNames' | 'isScript' | 'shapes'>,
  read: (path: string) => Json | undefined,
): ClipConfiguration {
  const file = hubNames ? 'config.json' : 'open_clip_config.json';
  const json = read(file) ?? (isScript ? openAi(shapes) : undefined);
  if (!json) throw missing(file, hubNames);
  if (hubNames && json.model_type === 'siglip')
    return siglipConfiguration(readFields(json, SIGLIP, { file, hint: HINT }));
  return hubNames
    ? hubConfiguration(readFields(json, HUB, { file, hint: HINT }))
    : openClipConfiguration(readFields(json, OPEN_CLIP, { file, hint: HINT }));
}

/** The configuration of OpenAI's releases, which are programs and have none: their towers have heads of 64 numbers. */
function openAi(shapes: ClipCheckpoint['shapes']): Json {
  const width = shapes.get('positional_embedding')?.[1] ?? 0;
  return { model_cfg: { quick_gelu: true, text_cfg: { heads: Math.floor(width / 64) } } };
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
      image: { ...rulesOf(image, 12), ...CLIP_VIT },
      // Until version 4.31, transformers wrote 2 for every model, whatever its end token was.
      text: { ...rulesOf(text, 8), causal: true, pool: 'end', end: end === 2 ? undefined : end },
    },
    text: CLIP_TOKENIZER,
    sizes: [
      ['projection_dim', config.projection_dim, ({ dimension }) => dimension],
      ...towerSizes(image, text),
    ],
  };
}

const CLIP_TOKENIZER = { cleaning: 'clip', pad: 0 } as const;

function siglipConfiguration({
  text_config: text = {},
  vision_config: image = {},
}: Values<typeof SIGLIP>): ClipConfiguration {
  const rulesOf = (tower: Values<typeof TOWER>) => ({
    activation: tower.hidden_act ?? 'gelu_tanh',
    epsilon: tower.layer_norm_eps ?? 1e-6,
    heads: () => tower.num_attention_heads ?? 12,
  });
  return {
    rules: {
      image: { ...rulesOf(image), pool: 'attention', preNorm: false },
      text: { ...rulesOf(text), causal: false, pool: 'last', end: undefined },
    },
    text: { cleaning: 'none', pad: 'tokenizer' },
    sizes: [
      ['text_config.projection_size', text.projection_size, ({ dimension }) => dimension],
      ...towerSizes(image, text),
    ],
  };
}

/** The sizes that Hugging Face's configurations state of both towers. */
function towerSizes(
  image: Values<Pick<typeof HUB_IMAGE, 'image_size' | 'patch_size' | 'hidden_size' | 'num_hidden_layers'>>,
  text: Values<
    Pick<typeof HUB_TEXT, 'max_position_embeddings' | 'hidden_size' | 'num_hidden_layers' | 'vocab_size'>
  >,
): Size[] {
  return [
    ['vision_config.image_size', image.image_size, (shape) => shape.image.size],
    ['vision_config.patch_size', image.patch_size, (shape) => vitOf(shape)?.patch],
    ['vision_config.hidden_size', image.hidden_size, (shape) => vitOf(shape)?.width],
    ['vision_config.num_hidden_layers', image.num_hidden_layers, (shape) => vitOf(shape)?.blocks],
    ['text_config.max_position_embeddings', text.max_position_embeddings, (shape) => shape.text.context],
    ['text_config.hidden_size', text.hidden_size, (shape) => shape.text.width],
    ['text_config.num_hidden_layers', text.num_hidden_layers, (shape) => shape.text.blocks],
    ['text_config.vocab_size', text.vocab_size, (shape) => shape.text.vocabulary],
  ];
}

function openClipConfiguration({
  model_cfg: model = {},
  preprocess_cfg: preprocessing,
}: Values<typeof OPEN_CLIP>): ClipConfiguration {
  const { vision_cfg: image = {}, text_cfg: text = {} } = model;
  const act: Activation = model.quick_gelu ? 'quick_gelu' : 'gelu';
  const { layers } = image;
  const timm = image.timm_model_name === undefined ? undefined : TIMM_TOWERS[image.timm_model_name];
  const afterPool = image.final_ln_after_pool ? 'mean-norm' : 'norm-mean';
  const clean = text.tokenizer_kwargs?.clean;
  return {
    rules: {
      image: timm
        ? { activation: timm[1], epsilon: 1e-6, heads: () => timm[0], pool: 'attention', preNorm: false }
        : {
            activation: act,
            epsilon: image.norm_kwargs?.eps ?? 1e-5,
            heads: (width) => Math.floor(width / (image.head_width ?? 64)),
            pool: image.pool_type === 'avg' ? afterPool : 'class',
            preNorm: !image.no_ln_pre,
          },
      text: {
        activation: text.act_kwargs?.approximate === 'tanh' ? 'gelu_tanh' : act,
        epsilon: text.norm_kwargs?.eps ?? 1e-5,
        heads: () => text.heads,
        causal: !text.no_causal_mask,
        pool: text.pool_type === 'last' ? 'last' : 'end',
        end: text.pool_type === 'eos' ? (text.eos_id ?? 2) : undefined,
      },
    },
    text: {
      cleaning: clean === 'canonicalize' ? 'canonicalize' : 'clip',
      pad: text.hf_tokenizer_name === undefined ? 0 : 'tokenizer',
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
