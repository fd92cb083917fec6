import * as z from 'zod/mini';
import { preprocessingSchema } from '../image/preprocessing.ts';
import { SHA256 } from './example-list.ts';

/** A share, 0 to 1. */
const share = z.number().check(z.gte(0), z.lte(1));

/** The number of examples, which are in tensors. */
export const countSchema = z.object({ examples: z.int().check(z.nonnegative()) });

/** The examples of the first version of the format, which are in the JSON text. */
export const examplesSchema = z.object({
  examples: z.array(z.object({ id: z.string(), sha256: z.string().check(z.regex(SHA256)) })),
});

/** The JSON text in a classifier's file: everything except tensors. */
export const metadataSchema = z.object({
  classes: z
    .array(
      z.object({ id: z.string(), name: z.string(), promptName: z.string(), prompts: z.array(z.string()) }),
    )
    .check(
      z.minLength(2),
      z.refine((classes) => new Set(classes.map(({ id }) => id)).size === classes.length, 'two have one id'),
    ),
  templates: z.array(z.string()),
  encoder: z.object({
    id: z.string(),
    fingerprint: z.string().check(z.regex(/^[0-9a-f]{64}$/)),
    source: z.string(),
    revision: z.optional(z.string()),
    licence: z.string(),
    dimension: z.int().check(z.positive()),
    logitScale: z.number().check(z.positive(), z.lte(1e6)),
    logitBias: z.optional(z.number()),
    fineTunedOn: z.optional(z.int().check(z.nonnegative())),
    preprocessing: z.optional(preprocessingSchema),
  }),
  prompts: z.optional(z.array(z.array(z.string()))),
  keys: z.optional(
    z.object({
      type: z.literal('int8'),
      cosine: z.number(),
      probability: z.number(),
      agreement: z.number(),
    }),
  ),
  method: z.string(),
  options: z.record(z.string(), z.unknown()),
  scalars: z.record(z.string(), z.number()),
  tuning: z.object({
    temperature: z.number().check(z.positive()),
    nll: z.optional(z.number()),
    protocol: z.enum(['folds', 'left-out', 'val', 'fixed', 'paper']),
    judges: z.int(),
    folds: z.int(),
    judgedClasses: z.optional(z.int().check(z.nonnegative())),
    fineTuned: z.optional(z.int().check(z.positive())),
    tuned: z.optional(z.array(z.string())),
    given: z.optional(z.array(z.string())),
    fromExamples: z.optional(z.array(z.string())),
    surface: z.array(z.record(z.string(), z.number())),
    compared: z.optional(z.array(z.object({ method: z.string(), nll: z.number(), accuracy: share }))),
  }),
  interrupted: z.optional(z.object({ epochs: z.int().check(z.positive()), of: z.int().check(z.positive()) })),
  reject: share,
  exif: z.boolean(),
  views: z.int().check(z.positive(), z.lte(64)),
  shots: z.optional(z.int().check(z.positive())),
  seed: z.int(),
  dataset: z.string(),
  created: z.string(),
  createdBy: z.string(),
  version: z.int().check(z.nonnegative()),
});
