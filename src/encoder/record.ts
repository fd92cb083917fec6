import * as z from 'zod/mini';
import { ModelError } from '../errors.ts';
import { preprocessingSchema as preprocessing } from '../image/preprocessing.ts';
import type { Preprocessing } from '../image/types.ts';
import { faultOf } from '../options.ts';
import { sha256 } from '../sha256.ts';
import { isJson, type Json, parseObject } from './fields.ts';
import { isTowerPrecision, type TowerPrecision } from './precision.ts';
import type { CacheDefaults } from './types.ts';

/** The file name of an encoder's record. It is written last, so that it marks a complete encoder. */
export const RECORD_FILE = 'encoder.json';

const count = z.int().check(z.positive());

const defaults: z.ZodMiniType<CacheDefaults> = z.object({
  alpha: z.number(),
  beta: z.number(),
  maxBeta: z.number(),
  template: z.string(),
});

/** The conversion of texts to tokens, as far as tokenizer.json does not state it. */
const textRule = z.object({
  /**
   * `clip`: entities unescaped twice, white space collapsed, as OpenAI's reference does before tokenization. `canonicalize`: then, as
   * open_clip does for SigLIP, `_` becomes a space, ASCII punctuation is removed, and letters are lower case.
   */
  cleaning: z.enum(['clip', 'canonicalize', 'none']),
  /** Largest number of tokens. A longer text is cut, and its end token is kept. */
  length: count,
  /** `fixed`: every text is padded to `length`; `longest`: only as far as its batch needs. */
  padding: z.enum(['fixed', 'longest']),
  pad: z.int().check(z.nonnegative()),
  /** A token that is replaced by token 0, as open_clip does with the separator of CLIPA's texts (`strip_sep_token`). */
  erased: z.optional(z.int().check(z.nonnegative())),
});
export type TextRule = z.infer<typeof textRule>;

/** A path inside the encoder's own folder. Paths are checked because bundles come from other machines. */
const inside = z.string().check(
  z.regex(/^[^/\\:][^\\:]*$/),
  z.refine((path) => !path.split('/').includes('..'), 'leaves the folder'),
);

export function isInside(path: string): boolean {
  return inside.safeParse(path).success;
}

const file = z.object({
  path: inside,
  bytes: z.int().check(z.nonnegative()),
  sha256: z.string().check(z.regex(/^[0-9a-f]{64}$/)),
});
export type RecordedFile = z.infer<typeof file>;

const common = {
  format: z.literal(1),
  id: z.string().check(z.minLength(1)),
  source: z.string(),
  revision: z.optional(z.string()),
  licence: z.string(),
  precision: z.custom<TowerPrecision>((text) => typeof text === 'string' && isTowerPrecision(text)),
  fingerprint: z.string().check(z.regex(/^[0-9a-f]{64}$/)),
  /** For models from weights: the fingerprint by the hashes of their files, which earlier versions used. */
  formerFingerprint: z.optional(z.string().check(z.regex(/^[0-9a-f]{64}$/))),
  dimension: count,
  logitScale: z.number().check(z.positive()),
  /** For models that were trained with a sigmoid, from weights. */
  logitBias: z.optional(z.number()),
  preprocessing,
  /** Differences between towers built from weights and OpenAI's. They are part of the fingerprint. */
  recipe: z.optional(z.record(z.string(), z.unknown())),
  defaults,
  /** The file of the image tower. */
  imageModel: inside,
  files: z.array(file),
};

/** How an encoder was fine-tuned, and on what. */
const fineTuned = z.object({
  /** The encoder that it was made of. A path is not kept, only the name of its folder. */
  parent: z.object({
    id: z.string(),
    source: z.string(),
    revision: z.optional(z.string()),
    fingerprint: z.string(),
  }),
  method: z.literal('clip-lora'),
  options: z.record(z.string(), z.union([z.number(), z.string()])),
  /** Prompts of the classes. */
  prompts: z.array(z.string()),
  /** Sha256 (hex) of the files of the pictures. */
  pictures: z.array(z.string().check(z.regex(/^[0-9a-f]{64}$/))),
});

const pair = z.object({
  ...common,
  fineTuned: z.optional(fineTuned),
  kind: z.enum(['dual', 'resnet50-minilm']),
  /** For a model from weights: the number of pre-projection features that a row has after the embedding, if it has them. */
  features: z.optional(count),
  text: textRule,
  /** The file of the text tower: the same one for a combined model. */
  textModel: inside,
});

/** A model without a text tower, such as DINOv2. */
const vision = z.object({ ...common, kind: z.literal('vision') });

const record = z.discriminatedUnion('kind', [pair, vision]);

/** The facts about a pair of towers on disk: everything except their weights. */
export type PairRecord = z.infer<typeof pair>;
/** The facts about an image tower on disk that has no text tower: everything except its weights. */
export type VisionRecord = z.infer<typeof vision>;
/** The facts about an encoder on disk: everything except its weights. */
export type EncoderRecord = PairRecord | VisionRecord;

/** How an encoder was fine-tuned, and on what. */
export type FineTuning = z.infer<typeof fineTuned>;

/** The files of the encoder's models, each once. */
export function modelsOf(record: EncoderRecord): string[] {
  return [...new Set(record.kind === 'vision' ? [record.imageModel] : [record.imageModel, record.textModel])];
}

/** @param where the name of the text in an error */
export function parseRecord(text: string, where: string): EncoderRecord {
  const parsed = record.safeParse(parseObject(text, where));
  if (!parsed.success) throw unreadable(where, faultOf(parsed.error), parsed.error);
  return parsed.data;
}

/** The text of a record's file. */
export function recordText(record: EncoderRecord): string {
  return `${JSON.stringify(record, null, 2)}\n`;
}

function unreadable(where: string, why: string, cause: unknown): ModelError {
  return new ModelError(`The encoder's record ${where} cannot be used: ${why}`, {
    code: 'encoder/record',
    hint: 'Remove the encoder and pull it again.',
    details: { path: where },
    cause,
  });
}

/** Everything that determines an embedding. */
export interface EncoderMeaning {
  /** Hashes of the source weights' files. */
  readonly weights?: readonly string[];
  /** Hash of the tensors of a model from weights, which is the same for all of its formats. */
  readonly tensors?: string;
  readonly precision: TowerPrecision;
  readonly preprocessing: Preprocessing;
  readonly tokenizer?: string;
  readonly text?: TextRule;
  /** Constants of the conversion that are not weights. */
  readonly recipe?: unknown;
}

/**
 * Sha256 over everything that decides an embedding: source weights, precision, preprocessing (without its memory layout) and, for encoders
 * of texts, tokenizer. The order of keys does not matter.
 */
export function fingerprintOf(meaning: EncoderMeaning): string {
  const { layout: _, ...pixels } = meaning.preprocessing;
  return sha256(canonical({ ...meaning, preprocessing: pixels }));
}

/** Sha256 of a tokenizer.json without padding and truncation, which the text rule decides. */
export function tokenizerMeaning({ padding: _, truncation: __, version: ___, ...meaning }: Json): string {
  return sha256(canonical(meaning));
}

/**
 * A tokenizer.json in one form: versions of its library write merges as texts or as pairs, and leave out or write options that are off. The
 * decoder is left out.
 */
export function tokenizerSense({ decoder: _, model, ...others }: Json): string {
  if (!isJson(model)) return tokenizerMeaning({ ...others, model });
  const options = Object.entries(model).filter(([, value]) => value !== null && value !== false);
  const { merges } = model;
  const pairs = Array.isArray(merges) && {
    merges: merges.map((merge) => (typeof merge === 'string' ? merge.split(' ') : merge)),
  };
  return tokenizerMeaning({ ...others, model: { ...Object.fromEntries(options), ...pairs } });
}

/** JSON with sorted keys. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner) =>
    inner && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
