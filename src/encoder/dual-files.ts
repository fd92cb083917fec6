import { z } from 'zod';
import { ModelError } from '../errors.ts';
import type { Preprocessing } from '../image/types.ts';
import { faultOf } from '../options.ts';
import { count } from '../words.ts';
import type { Json } from './fields.ts';
import { preprocessingOf, preprocessorOf } from './preprocessor-config.ts';
import type { Precision, TextRule } from './record.ts';

/** The files of a folder or hub repository that form an encoder. */
export interface DualFiles {
  /** ONNX files of the two towers. Both are the same file for a combined model and for CLIP's weights (safetensors). */
  readonly imageModel: string;
  readonly textModel: string;
  /** All files to keep, including external weights and configuration. */
  readonly all: readonly string[];
}

/** Configuration files that are kept if they exist. */
const CONFIGURATION = [
  'config.json',
  'preprocessor_config.json',
  'processor_config.json',
  'open_clip_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
];

/** File names of CLIP's weights, in the order of preference. The last lists the files of a checkpoint in parts. */
const WEIGHTS = ['open_clip_model.safetensors', 'model.safetensors', 'model.safetensors.index.json'];

/** Whether a model file holds weights, from which this package builds the towers. */
export function isWeights(path: string): boolean {
  return WEIGHTS.includes(path) || isTorch(path);
}

/** Whether a path is a file of PyTorch in the folder itself. */
function isTorch(path: string): boolean {
  return /^[^/]+\.pt$/.test(path);
}

/** The only weights in a folder. Throws `ModelError` if several files of PyTorch could be meant. */
function weightsAmong(paths: readonly string[], where: string): string | undefined {
  const known = WEIGHTS.find((name) => paths.includes(name));
  const torch = paths.filter(isTorch);
  if (known || torch.length < 2) return known ?? torch[0];
  throw new ModelError(
    `${where} has ${count(torch.length, 'file')} of weights: ${torch.slice(0, 5).join(', ')}`,
    {
      code: 'encoder/ambiguous',
      hint: 'Leave one of them in the folder.',
      details: { where, files: torch },
    },
  );
}

const SUFFIX: Readonly<Record<Precision, string>> = {
  fp32: '',
  fp16: '_fp16',
  int8: '_int8',
  uint8: '_uint8',
  quantized: '_quantized',
  q4: '_q4',
  q4f16: '_q4f16',
  bnb4: '_bnb4',
};

/**
 * Finds the towers among the paths of a folder and its `onnx/`: two ONNX files or a combined one, else CLIP's weights.
 * Throws `ModelError` that names the missing files and the available precisions.
 */
export function findDualFiles(paths: readonly string[], precision: Precision, where: string): DualFiles {
  const present = new Set(paths);
  const towers = (chosen: Precision) => {
    for (const folder of ['', 'onnx/']) {
      const name = (stem: string) => `${folder}${stem}${SUFFIX[chosen]}.onnx`;
      const [image, text, both] = [name('vision_model'), name('text_model'), name('model')];
      if (present.has(image) && present.has(text)) return { imageModel: image, textModel: text };
      if (present.has(both)) return { imageModel: both, textModel: both };
    }
    return undefined;
  };
  const exported = towers(precision);
  const weights = precision === 'fp32' && !exported ? weightsAmong(paths, where) : undefined;
  const found = exported ?? (weights && { imageModel: weights, textModel: weights });
  if (!found) {
    const others = (Object.keys(SUFFIX) as Precision[]).filter(towers);
    throw new ModelError(`${where} has no ${precision} image and text model in ONNX`, {
      code: 'encoder/no-model',
      hint: others.length
        ? `It has ${others.join(', ')}; add #${others[0]} to the name of the encoder.`
        : 'The folder, or onnx/ in it, needs vision_model.onnx and text_model.onnx, or model.onnx; or the folder needs the weights of a CLIP, open_clip_model.safetensors, model.safetensors or a .pt file.',
      details: { where, precision, others },
    });
  }
  const pixels = isWeights(found.imageModel) ? [] : [['preprocessor_config.json', 'processor_config.json']];
  for (const needed of [...pixels, ['tokenizer.json']]) {
    if (!needed.some((name) => present.has(name))) {
      throw new ModelError(`${where} has no ${needed.join(' or ')}`, { code: 'encoder/no-configuration' });
    }
  }
  const models = new Set([found.imageModel, found.textModel]);
  const external = paths.filter((path) =>
    [...models].some((model) =>
      model.endsWith('.json')
        ? /^model-\d+-of-\d+\.safetensors$/.test(path)
        : path.startsWith(`${model}_data`) || path === `${model}.data`,
    ),
  );
  return { ...found, all: [...models, ...external, ...CONFIGURATION.filter((path) => present.has(path))] };
}

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
  logit_scale: z.number().max(80).nullish(),
  logit_scale_init_value: z.number().max(80).nullish(),
  text_config: z
    .looseObject({
      max_position_embeddings: length.nullish(),
      projection_dim: z.int().positive().max(1e6).nullish(),
    })
    .nullish(),
});

const TOKENIZER_CONFIG = z.looseObject({
  model_max_length: length.nullish(),
  pad_token: z.union([z.string(), z.looseObject({ content: z.string() })]).nullish(),
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
    dimension: config.projection_dim ?? config.text_config?.projection_dim ?? undefined,
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
  { model_type, text_config }: z.infer<typeof CONFIG>,
  tokenizer: z.infer<typeof TOKENIZER>,
  tokenizerConfig: z.infer<typeof TOKENIZER_CONFIG>,
): TextRule {
  const stated = [
    text_config?.max_position_embeddings,
    tokenizerConfig.model_max_length,
    tokenizer.truncation?.max_length,
    // transformers writes 1e30 for "no limit".
  ].find((n) => typeof n === 'number' && n < 1e5);
  const within = (most: number) => Math.min(Math.max(2, Math.floor(stated ?? most)), LONGEST_TEXT);
  // Only CLIP's byte-pair tokenizer marks the end of a word this way.
  if (tokenizer.model.end_of_word_suffix === '</w>') {
    return { cleaning: 'clip', length: within(77), padding: 'fixed', pad: 0 };
  }
  const pad = padOf(tokenizer, tokenizerConfig) ?? 0;
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
  const content = typeof pad_token === 'string' ? pad_token : pad_token?.content;
  return added_tokens?.find((token) => token.content === content)?.id;
}
