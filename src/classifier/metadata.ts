import { z } from 'zod';
import { preprocessingSchema } from '../image/preprocessing.ts';

/** The JSON text in a classifier's file: everything except tensors. */
export const metadataSchema = z.object({
  classes: z
    .array(
      z.object({ id: z.string(), name: z.string(), promptName: z.string(), prompts: z.array(z.string()) }),
    )
    .min(2)
    .refine((classes) => new Set(classes.map(({ id }) => id)).size === classes.length, 'two have one id'),
  templates: z.array(z.string()),
  encoder: z.object({
    id: z.string(),
    fingerprint: z.string().regex(/^[0-9a-f]{64}$/),
    source: z.string(),
    revision: z.string().optional(),
    licence: z.string(),
    dimension: z.number().int().positive(),
    logitScale: z.number().positive().max(1e6),
    preprocessing: preprocessingSchema.optional(),
  }),
  prompts: z.array(z.array(z.string())).optional(),
  examples: z.array(z.object({ id: z.string(), sha256: z.string() })),
  keys: z
    .object({
      type: z.literal('int8'),
      cosine: z.number(),
      probability: z.number(),
      agreement: z.number(),
    })
    .optional(),
  method: z.string(),
  options: z.record(z.string(), z.unknown()),
  scalars: z.record(z.string(), z.number()),
  tuning: z.object({
    temperature: z.number().positive(),
    nll: z.number().optional(),
    protocol: z.enum(['folds', 'val', 'fixed', 'paper']),
    judges: z.number().int(),
    folds: z.number().int(),
    tuned: z.array(z.string()).optional(),
    given: z.array(z.string()).optional(),
    surface: z.array(z.record(z.string(), z.number())),
    compared: z
      .array(z.object({ method: z.string(), nll: z.number(), accuracy: z.number().min(0).max(1) }))
      .optional(),
  }),
  reject: z.number().min(0).max(1),
  exif: z.boolean(),
  views: z.number().int().positive().max(64),
  shots: z.number().int().positive().optional(),
  seed: z.number().int(),
  dataset: z.string(),
  created: z.string(),
  createdBy: z.string(),
  version: z.number().int().nonnegative(),
});
