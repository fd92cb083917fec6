import { z } from 'zod';
import { PROTOCOLS } from '../bench/cell.ts';
import { SUITE_IDS } from '../bench/suites.ts';
import { GROUPINGS } from '../dataset/grouping.ts';
import { DTYPES, STORAGES } from '../dataset/stored-formats.ts';

const reading = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));

/** The addresses and options that a worker needs to embed pictures as the producer of the run would. */
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

/** The facts that a worker needs to answer pictures as the producer of the run would. */
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

/** The facts that a worker needs to compute the fits of a benchmark. */
export const benchDescription = z.strictObject({
  kind: z.literal('bench'),
  data: z.array(z.string()),
  suite: z.enum(SUITE_IDS).optional(),
  methods: z.array(z.string()),
  shots: z.array(z.number()),
  seeds: z.array(z.number()),
  protocol: z.enum(PROTOCOLS),
  /** Whether to measure rejection. */
  rejection: z.boolean(),
  encoders: z.array(z.string()),
  views: z.number(),
  groupBy: z.enum(GROUPINGS).optional(),
  reading,
  output: z.string(),
});
export type BenchDescription = z.infer<typeof benchDescription>;

/** The facts that a worker needs to sum up rows of features. */
export const summaryDescription = z.strictObject({
  kind: z.literal('summary'),
  /** The folder of features, or its address. */
  source: z.string(),
  method: z.string(),
  options: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  /** Fingerprint of the encoder, as in the classifier. */
  encoder: z.string(),
  seed: z.number(),
  /** The name of the method's pass, if these are not its first sums. */
  pass: z.string().optional(),
  /** Sha256 (hex) of the file in the output with the tensors that the rows are compared with, if there are any. */
  basis: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
  /** Least number of bytes of the features of a shard. */
  shardBytes: z.number(),
  output: z.string(),
  /** Id of the work, which a worker with other classes or another number of rows does not have. */
  work: z.string(),
});
export type SummaryDescription = z.infer<typeof summaryDescription>;
