import { ModelError } from '../../errors.ts';
import { type Json, readFields, type Values } from '../fields.ts';
import type { TextRule } from '../record.ts';
import {
  CONVNEXTS,
  EVAS,
  HUB,
  type HUB_IMAGE,
  type HUB_TEXT,
  OPEN_CLIP,
  PES,
  SIGLIP,
  TIMM_TOWERS,
  type TOWER,
} from './configuration-fields.ts';
import type { Activation } from './transformer.ts';
import { CLIP_VIT } from './vit.ts';
import type { ClipCheckpoint, ClipRules, ClipShape } from './weights.ts';

/** The configuration of a CLIP or SigLIP that is built from weights. */
export interface ClipConfiguration {
  /** Facts about the model that the shapes of the weights do not show. */
  readonly rules: ClipRules;
  /** The cleaning of texts, and their padding: that of CLIP's own tokenizer, or as the files of the tokenizer say. */
  readonly text: {
    readonly cleaning: TextRule['cleaning'];
    readonly pad: 0 | 'tokenizer';
    /** Whether the separator of texts is replaced by token 0. */
    readonly erasesSeparator?: boolean;
  };
  /** Stated sizes. A size that differs from the weights' is refused. */
  readonly sizes: readonly Size[];
  /** open_clip's description of the preprocessing; absent if another file has it. */
  readonly preprocessing?: Values<(typeof OPEN_CLIP)['preprocess_cfg']>;
}

/** A field that states a size, its value, and the size of the weights (undefined if they do not have it). */
export type Size<Shape = ClipShape> = readonly [
  field: string,
  stated: number | undefined,
  of: (shape: Shape) => number | undefined,
];

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
export function openAi(shapes: ClipCheckpoint['shapes']): Json {
  const width = shapes.get('positional_embedding')?.[1] ?? 0;
  return { model_cfg: { quick_gelu: true, text_cfg: { heads: Math.floor(width / 64) } } };
}

function missing(file: string, hubNames: boolean): ModelError {
  return new ModelError(`The weights of a CLIP lack ${file}, which says how to use them`, {
    code: 'weights/no-configuration',
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
  const clean = text.tokenizer_kwargs?.clean;
  return {
    rules: {
      image: openClipImage(image, act),
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
      erasesSeparator: text.tokenizer_kwargs?.strip_sep_token,
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

function openClipImage(
  image: Values<(typeof OPEN_CLIP)['model_cfg']['vision_cfg']>,
  activation: Activation,
): ClipRules['image'] {
  const name = image.timm_model_name ?? '';
  const siglip = TIMM_TOWERS[name];
  if (siglip) {
    const [heads, own] = siglip;
    return { activation: own, epsilon: 1e-6, heads: () => heads, pool: 'attention', preNorm: false };
  }
  if (CONVNEXTS[name])
    return {
      activation: 'gelu',
      epsilon: CONVNEXTS[name],
      heads: () => undefined,
      size: image.image_size ?? 224,
      ...CLIP_VIT,
    };
  const eva = EVAS[name];
  if (eva) {
    const [heads, grid] = eva;
    return { activation: 'silu', epsilon: 1e-6, heads: () => heads, grid, ...CLIP_VIT };
  }
  const pe = PES[name];
  if (pe) {
    const { heads, ...rules } = pe;
    return { activation: 'gelu', epsilon: 1e-5, heads: () => heads, pe: rules, ...CLIP_VIT };
  }
  const afterPool = image.final_ln_after_pool ? 'mean-norm' : 'norm-mean';
  return {
    activation,
    epsilon: image.norm_kwargs?.eps ?? 1e-5,
    heads: (width) => Math.floor(width / (image.head_width ?? 64)),
    pool: image.pool_type === 'avg' ? afterPool : 'class',
    preNorm: !image.no_ln_pre,
  };
}

function vitOf({ image }: ClipShape) {
  return image.kind === 'vit' ? image : undefined;
}
