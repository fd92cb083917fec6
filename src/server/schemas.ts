import { z } from 'zod';
import { visible } from '../dataset/names.ts';

/** Schemas of requests and answers. They check requests, and the OpenAPI document is made from them. */

/** The schemas that have a name in the OpenAPI document. */
export const components = z.registry<{ id: string }>();

const className = z
  .string()
  .regex(/^[^\p{Cc}\p{Cs}]*$/u, 'has control characters')
  .overwrite(visible)
  .min(1)
  .max(255);
/** Refuses lone surrogates, which JSON can contain but a URL cannot. */
const wellFormed = z.string().regex(/^\P{Cs}*$/u, 'has half of a surrogate pair');
const probability = z.number().min(0).max(1);
const given = (schema: z.ZodNumber) =>
  z
    .string()
    .regex(/^-?(\d+\.?\d*|\.\d+)$/, 'is not a number')
    .transform(Number)
    .pipe(schema)
    .optional();
const named = (what: string) =>
  z.array(wellFormed.min(1).max(1024)).min(1).max(1000).describe(`${what}; may be repeated.`);

const version = given(z.number().int().min(0)).describe(
  'The version that the change applies to; if the classifier has another one, the change is refused with 409.',
);
const top = given(z.number().int().min(1).max(10_000)).default(5);

export const predictQuery = z.strictObject({
  top: top.describe('How many classes to rank.'),
  reject: given(probability).describe('Below this probability the answer is "none of these".'),
});

export const explainQuery = z.strictObject({
  top: top.describe('How many classes and how many examples to show.'),
});

export const noQuery = z.strictObject({});

export const examplesQuery = z.strictObject({
  offset: given(z.number().int().min(0)).default(0),
  limit: given(z.number().int().min(1).max(10_000)).default(1000),
});

export const addExamplesQuery = z.strictObject({
  label: className
    .optional()
    .describe('The class of the pictures, by id or name; a name that is not known becomes a new class.'),
  version,
});

export const removeExamplesQuery = z.strictObject({ id: named('Id of an example'), version });

export const addClassQuery = z.strictObject({ version });

export const removeClassesQuery = z.strictObject({ name: named('Id or name of a class'), version });

export const picturesSchema = z
  .strictObject({
    pictures: z.array(
      z.strictObject({
        data: z.string().min(1).describe('The file in base64, with or without `data:…;base64,` in front.'),
        name: wellFormed.max(255).optional().describe('Name of the picture in the answer.'),
        label: className.optional().describe('Its class, where examples are added.'),
      }),
    ),
  })
  .register(components, { id: 'Pictures' });

export const newClassSchema = z
  .strictObject({
    name: className,
    promptName: className.optional().describe('Name in prompts, if it differs from the name.'),
    prompts: z
      .array(wellFormed.min(1).max(1000))
      .max(100)
      .default([])
      .describe('Further prompts, used exactly as given.'),
  })
  .register(components, { id: 'NewClass' });

export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string().describe('What is wrong, and where.'),
    code: z.string().describe('Stable name of the error, for programs.'),
    hint: z.string().optional().describe('What to do about it.'),
    requestId: z.string().optional().describe('Id of the request in the log.'),
  })
  .describe('Problem details, RFC 9457.')
  .register(components, { id: 'Problem' });

const rankedSchema = z.object({ id: z.string(), name: z.string(), probability });

const predictionSchema = z
  .object({
    image: z.string().describe("The file's name, or a name made of its bytes."),
    id: z.string(),
    name: z.string(),
    probability: probability.describe('Probability of that class.'),
    calibrated: z.boolean().describe('Whether the probabilities were calibrated on left-out examples.'),
    rejected: z.boolean().describe('True where the answer is "none of these".'),
    ranking: z.array(rankedSchema).describe('Most probable first.'),
  })
  .register(components, { id: 'Prediction' });

const failureSchema = z
  .object({ image: z.string(), problem: problemSchema })
  .describe('A picture that could not be read, and why.')
  .register(components, { id: 'Failure' });

/** Sha256 of a classifier's content, in hexadecimal digits. */
const hash = z.string().describe('Sha256 of the classifier, which its file has, too.');
const answeredBy = { model: z.string(), version: z.int(), hash };

export const predictionsSchema = z
  .object({ ...answeredBy, predictions: z.array(z.union([predictionSchema, failureSchema])) })
  .describe('One answer for each picture, in order.')
  .register(components, { id: 'Predictions' });

export const explanationSchema = z
  .object({
    ...answeredBy,
    prediction: predictionSchema,
    part: z
      .enum(['cache', 'method'])
      .describe('Meaning of `examples`: votes of examples (cache), or the score of the method as a whole.'),
    classes: z.array(rankedSchema.extend({ text: z.number(), examples: z.number(), score: z.number() })),
    contributions: z.array(
      z.object({
        example: z.string(),
        classId: z.string(),
        className: z.string(),
        similarity: z.number().describe('Cosine with the picture.'),
        weight: z.number().optional().describe('What it adds to the score of its class.'),
      }),
    ),
  })
  .register(components, { id: 'Explanation' });

export const modelSchema = z
  .object({
    name: z.string(),
    version: z.int().describe('Increases by 1 with every change.'),
    hash,
    etag: z.string(),
    classes: z.array(z.object({ id: z.string(), name: z.string(), examples: z.int() })),
    examples: z.int(),
    method: z.string(),
    calibrated: z.boolean().describe('Whether its probabilities are calibrated.'),
    encoder: z.string(),
    reject: probability,
    created: z.string(),
    problem: problemSchema.optional().describe('Why the current file on the disk is not used.'),
  })
  .register(components, { id: 'Model' });

export const modelsSchema = z.object({ models: z.array(modelSchema) }).register(components, { id: 'Models' });

export const examplesSchema = z
  .object({
    ...answeredBy,
    total: z.int(),
    examples: z.array(z.object({ id: z.string(), classId: z.string(), sha256: z.string() })),
  })
  .register(components, { id: 'Examples' });

export const changeSchema = z
  .object({
    model: modelSchema,
    added: z.array(z.string()).describe('Ids of the examples that were added.'),
    findings: z
      .array(
        z.object({
          level: z.enum(['info', 'warning']),
          code: z.string(),
          message: z.string(),
          about: z.array(z.string()).describe('The pictures or prompts that it is about.'),
        }),
      )
      .describe(
        'Notes, such as pictures that are examples already or cannot be read, and prompts that are too long for the encoder.',
      ),
  })
  .register(components, { id: 'Change' });

export const healthSchema = z
  .object({ status: z.enum(['ok', 'ready', 'draining']) })
  .register(components, { id: 'Health' });
