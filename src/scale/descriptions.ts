import { z } from 'zod';
import { DTYPES } from '../dataset/parquet-writer.ts';
import { STORAGES } from '../dataset/stored-info.ts';

const reading = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));

/** What a worker needs to embed pictures like the one who began the run: addresses and options. */
export const embedDescription = z.strictObject({
  kind: z.literal('embed'),
  source: z.string(),
  /** Options of `readDataset` that say how data are read. */
  reading,
  classes: z.string().optional(),
  output: z.string(),
  /** Id and fingerprint of the encoder. */
  encoder: z.string(),
  fingerprint: z.string(),
  format: z.enum(STORAGES),
  dtype: z.enum(DTYPES),
  exif: z.boolean(),
  unlabelled: z.boolean(),
});
export type EmbedDescription = z.infer<typeof embedDescription>;

/** What a worker needs to answer pictures like the one who began the run. */
export const predictDescription = z.strictObject({
  kind: z.literal('predict'),
  source: z.string(),
  /** Options that say how files are listed. */
  reading,
  output: z.string(),
  /** The classifier's file (its path, or its repository on the hub with the commit), and its sha256 (hex). */
  classifier: z.string(),
  sha256: z.string(),
  reject: z.number().optional(),
});
export type PredictDescription = z.infer<typeof predictDescription>;
