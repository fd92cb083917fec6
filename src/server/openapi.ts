import { z } from 'zod';
import { version } from '../version.ts';
import { DEADLINE_HEADER } from './deadline.ts';
import { JSON_LENGTH_HEADER } from './inference.ts';
import { inferenceHealthSchema, inferenceRequestSchema } from './inference-schemas.ts';
import { PROBLEM_TYPE } from './problem.ts';
import type { Route } from './route.ts';
import { components, healthSchema, picturesSchema, problemSchema } from './schemas.ts';

type Json = Record<string, unknown>;

const placeOf = (id: string) => `#/components/schemas/${id}`;

/** The OpenAPI 3.1 document of the routes, from the schemas that check requests. */
export function openApi(routes: readonly Route[], secured: boolean): Json {
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method]: operation(route) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'tip-adapter',
      version,
      description:
        'Few-shot image classifiers: predict what is in a picture, explain it, and add examples and classes.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    paths: { ...paths, ...plumbing() },
    components: {
      schemas: namedSchemas(),
      ...(secured ? { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } } : {}),
    },
    ...(secured ? { security: [{ token: [] }] } : {}),
  };
}

function operation(route: Route): Json {
  const { path, name, summary, query, body, answer, changes } = route;
  const inPath = [...path.matchAll(/:(\w+)/g)].map(([, parameter]) => ({
    name: parameter,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  const inQuery = Object.entries(query.shape).map(([parameter, schema]) => {
    const { description, ...rest } = withoutAddress(z.toJSONSchema(schema as z.ZodType));
    const required = !(schema as z.ZodType).safeParse(undefined).success;
    return { name: parameter, in: 'query', required, description, schema: rest };
  });
  const inHeader = [
    ...(changes
      ? [
          header(
            'if-match',
            'Entity tags; if the classifier has another one, the request is refused with 412.',
          ),
        ]
      : []),
    ...(body === 'inference'
      ? [header(JSON_LENGTH_HEADER, 'Number of bytes of the JSON, if binary data follow it.')]
      : []),
  ];
  const content = bodyContent(body);
  return {
    operationId: name,
    summary,
    parameters: [
      ...inPath,
      ...inQuery,
      ...inHeader,
      header(DEADLINE_HEADER, 'Milliseconds within which the answer is needed.'),
    ],
    ...(content ? { requestBody: { required: true, content } } : {}),
    responses: responses(answer),
  };
}

const header = (name: string, description: string): Json => ({
  name,
  in: 'header',
  description,
  schema: { type: 'string' },
});

const binary = { type: 'string', format: 'binary' };

function bodyContent(body: Route['body']): Json | undefined {
  if (body === 'none') return undefined;
  if (body === 'inference') {
    const json = { 'application/json': { schema: reference(inferenceRequestSchema) } };
    return { ...json, 'application/octet-stream': { schema: binary } };
  }
  if (body !== 'pictures') return { 'application/json': { schema: reference(body) } };
  return {
    'image/*': { schema: binary },
    'application/octet-stream': { schema: binary },
    'multipart/form-data': { schema: { type: 'object', additionalProperties: binary } },
    'application/json': { schema: reference(picturesSchema) },
  };
}

/** The paths of health checks, metrics and the document itself, whose answers have other formats. */
function plumbing(): Record<string, Json> {
  const open = (name: string, summary: string, schema: z.ZodType, further: Json = {}): Json => ({
    get: {
      operationId: name,
      summary,
      security: [],
      responses: { ...responses(schema), ...further },
    },
  });
  const shuttingDown = (schema: z.ZodType): Json => ({
    503: { ...answered(schema), description: 'The server is shutting down' },
  });
  const own = (name: string, summary: string, type: string, schema: Json): Json => ({
    get: {
      operationId: name,
      summary,
      responses: { 200: { description: 'The answer', content: { [type]: { schema } } }, ...refused },
    },
  });
  return {
    '/healthz': open('health', 'Whether the server is alive.', healthSchema),
    '/readyz': open(
      'readiness',
      'Whether the server accepts requests.',
      healthSchema,
      shuttingDown(healthSchema),
    ),
    '/v2/health/live': open(
      'inferenceLive',
      'Open Inference Protocol: whether the server is alive.',
      inferenceHealthSchema,
    ),
    '/v2/health/ready': open(
      'inferenceReady',
      'Open Inference Protocol: whether the server accepts requests.',
      inferenceHealthSchema,
      shuttingDown(inferenceHealthSchema),
    ),
    '/metrics': own('metrics', 'Metrics in the text format of Prometheus.', 'text/plain', { type: 'string' }),
    '/openapi.json': own('document', 'This document.', 'application/json', { type: 'object' }),
  };
}

const answered = (answer: z.ZodType): Json => ({
  description: 'The answer',
  content: { 'application/json': { schema: reference(answer) } },
});

const refused: Json = {
  default: {
    description: 'Refused or failed',
    content: { [PROBLEM_TYPE]: { schema: reference(problemSchema) } },
  },
};

const responses = (answer: z.ZodType): Json => ({ 200: answered(answer), ...refused });

function reference(schema: z.ZodType): Json {
  const { id } = components.get(schema) as { id: string };
  return { $ref: placeOf(id) };
}

/** All named schemas, in the form that a client sends or receives. */
function namedSchemas(): Json {
  const { schemas } = z.toJSONSchema(components, { io: 'input', uri: placeOf });
  return Object.fromEntries(Object.entries(schemas).map(([id, schema]) => [id, withoutAddress(schema)]));
}

/** Removes dialect and id of a schema: the document gives the dialect once for all, and the place of each schema. */
function withoutAddress({ $schema: _, $id: __, ...schema }: Json): Json {
  return schema;
}
