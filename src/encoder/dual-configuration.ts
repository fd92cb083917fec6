import { z } from 'zod';
import { ModelError } from '../errors.ts';
import type { Preprocessing } from '../image/types.ts';
import { faultOf } from '../options.ts';
import { type Json, readFields } from './fields.ts';
import { preprocessingOf, preprocessorOf } from './preprocessor-config.ts';
import type { TextRule } from './record.ts';

/** The facts that the configuration files decide. */
export interface DualConfiguration {
  readonly preprocessing: Preprocessing;
  readonly text: TextRule;
  readonly logitScale: number;
  /** Dimension of an embedding, if it is stated. */
  readonly dimension?: number;
}

/** The logit scale at the start of training, log(1 / 0.07), which configurations still state afterwards. */
const INITIAL_LOGIT_SCALE = 2.6592;
/** The logit scale after CLIP's training: the largest that it allows. */
const TRAINED_LOGIT_SCALE = 100;

/** Models whose texts are padded to their full length with a token that the model reads. */
const PADDED = ['siglip', 'siglip2'];
/** Models that hide padding by a mask, or pool a token before the padding. */
const MASKED = [
  'align',
  'altclip',
  'blip',
  'chinese_clip',
  'clip',
  'clipseg',
  'groupvit',
  'jina_clip',
  'metaclip_2',
  'mobileclip',
  'vision-text-dual-encoder',
];

const length = z.number().positive();

/** The fields of `config.json` that are read for an ONNX export. Its graph determines the rest. */
const CONFIG = z.looseObject({
  model_type: z.enum([...PADDED, ...MASKED]).nullish(),
  projection_dim: z.int().positive().max(1e6).nullish(),
  embed_dim: z.int().positive().max(1e6).nullish(),
  logit_scale: z.number().max(80).nullish(),
  logit_scale_init_value: z.number().max(80).nullish(),
  text_config: z
    .looseObject({
      max_position_embeddings: length.nullish(),
      projection_dim: z.int().positive().max(1e6).nullish(),
    })
    .nullish(),
  /** The text part of open_clip's configuration of a model. */
  text_cfg: z
    .looseObject({ context_length: length.nullish(), tokenizer_kwargs: z.unknown().optional() })
    .nullish(),
});

/** Arguments of open_clip's tokenizers. */
const TOKENIZER_ARGUMENTS = {
  clean: z.enum(['canonicalize', 'whitespace']),
  strip_sep_token: z.literal(false),
} as const;

/** A token of tokenizer_config.json: its text, or an object with it. */
const namedToken = z.union([z.string(), z.looseObject({ content: z.string() })]).nullish();

const TOKENIZER_CONFIG = z.looseObject({
  model_max_length: length.nullish(),
  pad_token: namedToken,
  sep_token: namedToken,
  tokenizer_class: z.string().nullish(),
});

const TOKENIZER = z.looseObject({
  model: z.looseObject({ end_of_word_suffix: z.string().nullish() }),
  truncation: z.looseObject({ max_length: length.nullish() }).nullish(),
  padding: z.looseObject({ pad_id: z.int().nonnegative().nullish() }).nullish(),
  added_tokens: z.array(z.looseObject({ id: z.int().nonnegative(), content: z.string() })).nullish(),
});

/**
 * Throws `ModelError` that names an unsupported setting.
 *
 * @param read returns a parsed configuration file, or undefined if it does not exist
 */
export function readConfiguration(read: (path: string) => Json | undefined): DualConfiguration {
  const config = parsed(CONFIG, read('config.json') ?? {}, 'config.json');
  const tokenizer = parsed(TOKENIZER, read('tokenizer.json') ?? {}, 'tokenizer.json');
  const tokenizerConfig = parsed(
    TOKENIZER_CONFIG,
    read('tokenizer_config.json') ?? {},
    'tokenizer_config.json',
  );
  const { json, file } = preprocessorOf(read) ?? { json: {}, file: 'preprocessor_config.json' };
  return {
    preprocessing: preprocessingOf(json, file),
    text: textRuleOf(config, tokenizer, tokenizerConfig),
    logitScale: logitScaleOf(config),
    dimension: config.projection_dim ?? config.embed_dim ?? config.text_config?.projection_dim ?? undefined,
  };
}

function parsed<T>(schema: z.ZodType<T>, json: Json, file: string): T {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  throw new ModelError(`${file} cannot be used: ${faultOf(result.error)}`, {
    code: 'encoder/field',
    hint: 'The file is damaged, or the encoder is not supported. Get the file again, or use another encoder.',
    details: { file, field: result.error.issues[0]!.path.join('.') },
  });
}

function logitScaleOf({ logit_scale, logit_scale_init_value }: z.infer<typeof CONFIG>): number {
  const logarithm = logit_scale ?? logit_scale_init_value ?? INITIAL_LOGIT_SCALE;
  return Math.abs(logarithm - INITIAL_LOGIT_SCALE) < 1e-3 ? TRAINED_LOGIT_SCALE : Math.exp(logarithm);
}

/** Longer contexts are cut to this number of tokens: prompts are short, and buffers have the full length. */
const LONGEST_TEXT = 512;

function textRuleOf(
  { model_type, text_config, text_cfg }: z.infer<typeof CONFIG>,
  tokenizer: z.infer<typeof TOKENIZER>,
  tokenizerConfig: z.infer<typeof TOKENIZER_CONFIG>,
): TextRule {
  const stated = [
    text_cfg?.context_length,
    text_config?.max_position_embeddings,
    tokenizerConfig.model_max_length,
    tokenizer.truncation?.max_length,
    // transformers writes 1e30 for "no limit".
  ].find((n) => typeof n === 'number' && n < 1e5);
  const within = (most: number) => Math.min(Math.max(2, Math.floor(stated ?? most)), LONGEST_TEXT);
  // Only CLIP's byte-pair tokenizer marks the end of a word this way.
  const isClip = tokenizer.model.end_of_word_suffix === '</w>';
  const pad = (isClip ? undefined : padOf(tokenizer, tokenizerConfig)) ?? 0;
  if (text_cfg) {
    const { clean } = readFields(text_cfg.tokenizer_kwargs ?? {}, TOKENIZER_ARGUMENTS, {
      file: 'config.json',
    });
    const cleaning = clean === 'canonicalize' ? 'canonicalize' : 'clip';
    return { cleaning, length: within(77), padding: 'fixed', pad };
  }
  if (isClip) return { cleaning: 'clip', length: within(77), padding: 'fixed', pad };
  const padded = PADDED.includes(model_type ?? '') || tokenizerConfig.tokenizer_class === 'SiglipTokenizer';
  return padded
    ? { cleaning: 'none', length: within(64), padding: 'fixed', pad }
    : { cleaning: 'none', length: within(LONGEST_TEXT), padding: 'longest', pad };
}

/** The token that texts are padded with, according to tokenizer.json and tokenizer_config.json. Undefined if neither says it. */
export function padToken(read: (path: string) => Json | undefined): number | undefined {
  return padOf(
    parsed(TOKENIZER, read('tokenizer.json') ?? {}, 'tokenizer.json'),
    parsed(TOKENIZER_CONFIG, read('tokenizer_config.json') ?? {}, 'tokenizer_config.json'),
  );
}

function padOf(
  { padding, added_tokens }: z.infer<typeof TOKENIZER>,
  { pad_token }: z.infer<typeof TOKENIZER_CONFIG>,
): number | undefined {
  if (typeof padding?.pad_id === 'number') return padding.pad_id;
  return idOf(pad_token, added_tokens);
}

/** The separator of texts, according to tokenizer_config.json. Undefined if it does not say it. */
export function separatorToken(read: (path: string) => Json | undefined): number | undefined {
  const { added_tokens } = parsed(TOKENIZER, read('tokenizer.json') ?? {}, 'tokenizer.json');
  const config = parsed(TOKENIZER_CONFIG, read('tokenizer_config.json') ?? {}, 'tokenizer_config.json');
  return idOf(config.sep_token, added_tokens);
}

function idOf(
  token: z.infer<typeof namedToken>,
  added: z.infer<typeof TOKENIZER>['added_tokens'],
): number | undefined {
  const content = typeof token === 'string' ? token : token?.content;
  return added?.find((one) => one.content === content)?.id;
}
