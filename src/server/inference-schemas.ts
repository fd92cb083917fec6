import { z } from 'zod';
import { components } from './schemas.ts';

/** Schemas of the Open Inference Protocol, version 2, as KServe and Triton define it. */

/** Name of the input with pictures, and of the input with embeddings. */
export const PICTURES = 'image';
export const FEATURES = 'features';

/** The outputs, in the order in which they are sent. */
export const OUTPUTS = ['class', 'probability', 'rejected', 'probabilities', 'classes'] as const;

const shape = z.array(z.int().min(0)).min(1).max(2);

type Nested = string | number | readonly Nested[];
const nested: z.ZodType<Nested> = z.lazy(() => z.union([z.string(), z.number(), z.array(nested)]));

const inputSchema = z
  .strictObject({
    name: z.enum([PICTURES, FEATURES]),
    datatype: z.enum(['BYTES', 'FP32']),
    shape,
    parameters: z.strictObject({ binary_data_size: z.int().min(0).optional() }).optional(),
    data: z
      .array(nested)
      .optional()
      .describe(
        'Files in base64 (BYTES) or numbers (FP32), flat, or nested as the shape says. Absent for binary data.',
      ),
  })
  .register(components, { id: 'InferenceInput' });

export const inferenceRequestSchema = z
  .strictObject({
    id: z.string().max(255).optional(),
    parameters: z
      .strictObject({
        binary_data_output: z.boolean().optional().describe('Send all outputs as binary data.'),
        reject: z
          .number()
          .min(0)
          .max(1)
          .optional()
          .describe('Below this probability the answer is "none of these".'),
      })
      .optional(),
    inputs: z.array(inputSchema).length(1).describe('Either `image` or `features`.'),
    outputs: z
      .array(
        z.strictObject({
          name: z.enum(OUTPUTS),
          parameters: z.strictObject({ binary_data: z.boolean().optional() }).optional(),
        }),
      )
      .max(OUTPUTS.length)
      .optional()
      .describe('The outputs to send (default: all).'),
  })
  .register(components, { id: 'InferenceRequest' });

const tensorFacts = { name: z.string(), datatype: z.string(), shape: z.array(z.int()) };

const outputSchema = z
  .object({
    ...tensorFacts,
    parameters: z.object({ binary_data_size: z.int() }).optional(),
    data: z.array(z.union([z.string(), z.number(), z.boolean()])).optional(),
  })
  .register(components, { id: 'InferenceOutput' });

export const inferenceAnswerSchema = z
  .object({
    model_name: z.string(),
    model_version: z.string(),
    id: z.string().optional(),
    parameters: z.object({ hash: z.string().describe('Sha256 of the classifier.') }),
    outputs: z.array(outputSchema),
  })
  .register(components, { id: 'InferenceAnswer' });

export const inferenceModelSchema = z
  .object({
    name: z.string(),
    versions: z.array(z.string()),
    platform: z.string(),
    inputs: z.array(z.object(tensorFacts)),
    outputs: z.array(z.object(tensorFacts)),
  })
  .register(components, { id: 'InferenceModel' });

export const inferenceReadySchema = z
  .object({ name: z.string(), ready: z.boolean() })
  .register(components, { id: 'InferenceModelReady' });

export const inferenceServerSchema = z
  .object({ name: z.string(), version: z.string(), extensions: z.array(z.string()) })
  .register(components, { id: 'InferenceServer' });

export const inferenceHealthSchema = z
  .object({ live: z.boolean().optional(), ready: z.boolean().optional() })
  .register(components, { id: 'InferenceHealth' });

export type InferenceRequest = z.infer<typeof inferenceRequestSchema>;
export type InferenceAnswer = z.infer<typeof inferenceAnswerSchema>;
export type InferenceOutput = z.infer<typeof outputSchema>;
