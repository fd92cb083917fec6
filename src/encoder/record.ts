import { join } from 'node:path';
import { z } from 'zod';
import { ModelError } from '../errors.ts';
import { preprocessingSchema as preprocessing } from '../image/preprocessing.ts';
import type { Preprocessing } from '../image/types.ts';
import { faultOf } from '../options.ts';
import { sha256 } from '../store/checksum.ts';
import { readRegularText, unlessMissing } from '../store/regular.ts';
import { ENCODER_FILE, parseObject } from './configuration-files.ts';
import type { Json } from './fields.ts';
import type { CacheDefaults } from './types.ts';

/** The name of the file in an encoder's folder that says what the encoder is; written last, so that it marks a whole one. */
export const RECORD_FILE = 'encoder.json';

export const PRECISIONS = ['fp32', 'fp16', 'int8', 'uint8', 'quantized', 'q4', 'q4f16', 'bnb4'] as const;
/** Number types of an ONNX model, named as in the hub's file names. */
export type Precision = (typeof PRECISIONS)[number];

const count = z.number().int().positive();

const defaults: z.ZodType<CacheDefaults> = z.object({
  alpha: z.number(),
  beta: z.number(),
  maxAlpha: z.number(),
  maxBeta: z.number(),
  template: z.string(),
});

/** How text becomes numbers, apart from what tokenizer.json says. */
const textRule = z.object({
  /** `clip`: entities unescaped twice, white space collapsed, as OpenAI's reference does before its byte pairs. */
  cleaning: z.enum(['clip', 'none']),
  /** Longest number of tokens; a longer text is cut and its end token kept. */
  length: count,
  /** `fixed`: every text is padded to `length`; `longest`: only as far as its batch needs. */
  padding: z.enum(['fixed', 'longest']),
  pad: z.number().int().nonnegative(),
});
export type TextRule = z.infer<typeof textRule>;

/** A path inside the encoder's own folder: bundles come from other machines. */
const inside = z
  .string()
  .regex(/^[^/\\:][^\\:]*$/)
  .refine((path) => !path.split('/').includes('..'), 'leaves the folder');

export function isInside(path: string): boolean {
  return inside.safeParse(path).success;
}

const file = z.object({
  path: inside,
  bytes: z.number().int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
export type RecordedFile = z.infer<typeof file>;

const record = z.object({
  format: z.literal(1),
  id: z.string().min(1),
  kind: z.enum(['dual', 'resnet50-minilm']),
  source: z.string(),
  revision: z.string().optional(),
  licence: z.string(),
  precision: z.enum(PRECISIONS),
  fingerprint: z.string().regex(/^[0-9a-f]{64}$/),
  dimension: count,
  logitScale: z.number().positive(),
  preprocessing,
  text: textRule,
  /** What towers that are built from weights do otherwise than OpenAI's; part of the fingerprint. */
  recipe: z.record(z.string(), z.unknown()).optional(),
  defaults,
  /** ONNX files of the two towers; the same file where the model is combined. */
  imageModel: inside,
  textModel: inside,
  files: z.array(file),
});

/** Everything that is known of an encoder on disk without opening its weights. */
export type EncoderRecord = z.infer<typeof record>;

/** The record of an encoder's folder; undefined where there is none. Throws `ModelError` where it cannot be understood. */
export async function readRecord(folder: string): Promise<EncoderRecord | undefined> {
  const path = join(folder, RECORD_FILE);
  const text = await readRegularText(path, ENCODER_FILE).catch(unlessMissing);
  return text === undefined ? undefined : parseRecord(text, path);
}

/** @param where what to call the text in an error */
export function parseRecord(text: string, where: string): EncoderRecord {
  const parsed = record.safeParse(parseObject(text, where));
  if (!parsed.success) throw unreadable(where, faultOf(parsed.error), parsed.error);
  return parsed.data;
}

function unreadable(where: string, why: string, cause: unknown): ModelError {
  return new ModelError(`The encoder's record ${where} cannot be used: ${why}`, {
    code: 'encoder/record',
    hint: 'Remove the encoder and pull it again.',
    details: { path: where },
    cause,
  });
}

/**
 * Sha256 over what decides an embedding: hashes of the source weights, precision, the meaning of preprocessing (how the
 * numbers are laid out in memory is left out) and of the tokenizer. Key order and file format do not matter.
 */
export function fingerprintOf(meaning: {
  weights: readonly string[];
  precision: Precision;
  preprocessing: Preprocessing;
  tokenizer: string;
  text: TextRule;
  /** Constants of a recipe beyond weights. */
  recipe?: unknown;
}): string {
  const { layout: _, ...pixels } = meaning.preprocessing;
  return sha256(canonical({ ...meaning, preprocessing: pixels }));
}

/** The meaning of a tokenizer.json, as a sha256: padding and truncation are decided by the text rule instead. */
export function tokenizerMeaning({ padding: _, truncation: __, version: ___, ...meaning }: Json): string {
  return sha256(canonical(meaning));
}

/** JSON with keys in sorted order. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner) =>
    inner && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
