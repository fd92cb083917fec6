import * as z from 'zod/mini';
import type { Preprocessing } from './types.ts';

const count = z.int().check(z.positive());
const triple = z.tuple([z.number(), z.number(), z.number()]);

const crop = z.object({
  resize: z.enum(['shortest', 'longest', 'squash']),
  resizeTo: count,
  crop: count,
  filter: z.enum(['bicubic', 'bilinear']),
  channels: z.enum(['rgb', 'bgr']),
  layout: z.enum(['nchw', 'nhwc']),
  scale: z.number(),
  mean: triple,
  std: triple,
});

/** Schema of an encoder's preprocessing in files. */
export const preprocessingSchema: z.ZodMiniType<Preprocessing> = z.extend(crop, {
  beside: z.optional(z.array(crop)),
});
