import { ModelError } from '../errors.ts';
import type { Preprocessing } from '../image/types.ts';
import { preprocessingOf } from './preprocessor-config.ts';
import type { Precision, TextRule } from './record.ts';

/** Which files of a folder or hub repository make up an ONNX dual encoder, and what its configuration says. */
export interface DualFiles {
  /** ONNX files of the two towers; the same where the model is combined, or where it is CLIP's weights (safetensors). */
  readonly imageModel: string;
  readonly textModel: string;
  /** Everything to keep, external weights and configuration included. */
  readonly all: readonly string[];
}

/** Configuration files that are kept where they exist. */
const CONFIGURATION = [
  'config.json',
  'preprocessor_config.json',
  'open_clip_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
];

/** Names of CLIP's weights, in the order of preference; the last lists the files of a checkpoint in parts. */
const WEIGHTS = ['open_clip_model.safetensors', 'model.safetensors', 'model.safetensors.index.json'];

/** Whether a model file is weights, from which the towers are built here. */
export function isWeights(path: string): boolean {
  return WEIGHTS.includes(path);
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
 * Finds the towers among the paths of a folder, in it or in `onnx/`: two files, or one combined; else CLIP's weights.
 * Throws `ModelError` saying what is missing and which precisions are there.
 */
export function findDualFiles(paths: readonly string[], precision: Precision, where: string): DualFiles {
  const present = new Set(paths);
  const towers = (chosen: Precision) => {
    for (const folder of ['', 'onnx/']) {
      const name = (stem: string) => `${folder}${stem}${SUFFIX[chosen]}.onnx`;
      const [image, text, both] = ['vision_model', 'text_model', 'model'].map(name);
      if (present.has(image) && present.has(text)) return { imageModel: image, textModel: text };
      if (present.has(both)) return { imageModel: both, textModel: both };
    }
    return undefined;
  };
  const weights = precision === 'fp32' ? WEIGHTS.find((name) => present.has(name)) : undefined;
  const found = towers(precision) ?? (weights && { imageModel: weights, textModel: weights });
  if (!found) {
    const others = (Object.keys(SUFFIX) as Precision[]).filter(towers);
    throw new ModelError(`${where} has no ${precision} image and text model in ONNX`, {
      code: 'encoder/no-model',
      hint: others.length
        ? `It has ${others.join(', ')}: add #${others[0]} to the encoder's name.`
        : 'Expected are vision_model.onnx and text_model.onnx, or model.onnx, in the folder or in onnx/; or the weights of a CLIP: open_clip_model.safetensors or model.safetensors.',
      details: { where, precision, others },
    });
  }
  const needs = isWeights(found.imageModel)
    ? ['tokenizer.json']
    : ['preprocessor_config.json', 'tokenizer.json'];
  for (const needed of needs) {
    if (!present.has(needed)) {
      throw new ModelError(`${where} has no ${needed}`, { code: 'encoder/no-configuration' });
    }
  }
  const models = new Set([found.imageModel, found.textModel]);
  const external = paths.filter((path) =>
    [...models].some((model) =>
      model.endsWith('.json')
        ? /^model-\d+-of-\d+\.safetensors$/.test(path)
        : path.startsWith(`${model}_data`),
    ),
  );
  return { ...found, all: [...models, ...external, ...CONFIGURATION.filter((path) => present.has(path))] };
}

/** What the configuration files decide. */
export interface DualConfiguration {
  readonly preprocessing: Preprocessing;
  readonly text: TextRule;
  readonly logitScale: number;
}

/** The value training starts from, log(1 / 0.07), which configurations keep repeating after it. */
const INITIAL_LOGIT_SCALE = 2.6592;
/** Where CLIP's training ends: the largest multiplier it allows. */
const TRAINED_LOGIT_SCALE = 100;

type Json = Readonly<Record<string, unknown>>;

/** @param read a configuration file, parsed; undefined where there is none */
export function readConfiguration(read: (path: string) => Json | undefined): DualConfiguration {
  const config = read('config.json') ?? {};
  const tokenizer = read('tokenizer.json') ?? {};
  return {
    preprocessing: preprocessingOf(read('preprocessor_config.json')),
    text: textRuleOf(config, tokenizer, read('tokenizer_config.json') ?? {}),
    logitScale: logitScaleOf(config),
  };
}

function logitScaleOf(config: Json): number {
  const logarithm = config.logit_scale ?? config.logit_scale_init_value;
  if (typeof logarithm !== 'number' || Math.abs(logarithm - INITIAL_LOGIT_SCALE) < 1e-3)
    return TRAINED_LOGIT_SCALE;
  return Math.exp(logarithm);
}

/** A context longer than this is cut: prompts are short, and buffers are made for the longest. */
const LONGEST_TEXT = 512;

function textRuleOf(config: Json, tokenizer: Json, tokenizerConfig: Json): TextRule {
  const pairs = (tokenizer.model ?? {}) as Json;
  const stated = [
    ((config.text_config ?? {}) as Json).max_position_embeddings,
    tokenizerConfig.model_max_length,
    ((tokenizer.truncation ?? {}) as Json).max_length,
  ].find((n) => typeof n === 'number' && n > 0 && n < 1e5) as number | undefined;
  // Only CLIP's byte pairs mark the end of a word like this.
  if (pairs.end_of_word_suffix === '</w>') {
    return { cleaning: 'clip', length: stated ?? 77, padding: 'fixed', pad: 0 };
  }
  const pad = padOf(tokenizer, tokenizerConfig);
  if (config.model_type === 'siglip' || tokenizerConfig.tokenizer_class === 'SiglipTokenizer') {
    return { cleaning: 'none', length: stated ?? 64, padding: 'fixed', pad };
  }
  return {
    cleaning: 'none',
    length: Math.min(stated ?? LONGEST_TEXT, LONGEST_TEXT),
    padding: 'longest',
    pad,
  };
}

function padOf(tokenizer: Json, { pad_token }: Json): number {
  const padding = (tokenizer.padding ?? {}) as Json;
  if (typeof padding.pad_id === 'number') return padding.pad_id;
  const content = typeof pad_token === 'string' ? pad_token : (pad_token as Json | undefined)?.content;
  const added = (tokenizer.added_tokens ?? []) as { id: number; content: string }[];
  return added.find((token) => token.content === content)?.id ?? 0;
}
