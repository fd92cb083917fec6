import type { Context } from 'hono';
import { jsonText } from '../printable.ts';
import type { Admission } from './admission.ts';
import { type HeldBody, readBody } from './body.ts';
import { DEADLINE_HEADER, deadlineOf, withDeadline } from './deadline.ts';
import { type Encoded, type Inference, inferenceIn, JSON_LENGTH_HEADER } from './inference.ts';
import type { Metrics } from './metrics.ts';
import type { Expected, Model } from './model.ts';
import type { Registry } from './model-registry.ts';
import type { ServerEnv } from './observe.ts';
import { checkEncoding, checkJsonType, parseJson, parseQuery } from './parse.ts';
import { Refusal } from './problem.ts';
import type { Meter } from './prometheus.ts';
import { picturesIn } from './request-pictures.ts';
import type { Ask, Route } from './route.ts';
import type { Samples } from './samples.ts';
import type { ServerValues } from './server-options.ts';

/** The state that all routes share. */
export interface Serving {
  readonly values: ServerValues;
  readonly registry: Registry;
  readonly admission: Admission;
  readonly metrics: Metrics;
  /** Records the metrics for OpenTelemetry, if the program does. */
  readonly meter?: Meter;
  /** Saves pictures for later labelling, if the server does. */
  readonly samples?: Samples;
  /** Fires when the server stops waiting for running requests. */
  readonly stopping: AbortSignal;
}

const MIB = 2 ** 20;

/**
 * The handler of a route. A request that cannot be admitted is refused before its body is read. An admitted request is answered
 * within its deadline. Its place is released when its work ends, which may be after the answer.
 */
export function handler(route: Route, serving: Serving): (c: Context<ServerEnv>) => Promise<Response> {
  const { values, registry, admission, metrics, samples, stopping } = serving;
  const works = route.body !== 'none' || route.changes;
  const allowed = 1000 * (route.changes ? values.changeDeadline : values.deadline);
  return async (c) => {
    const facts = c.get('facts');
    facts.route = route.path;
    if (works) admission.check();
    if (route.changes && values.readOnly) throw readOnlyError();
    const milliseconds = deadlineOf(c.req.header(DEADLINE_HEADER), allowed);
    checkEncoding(c.env.incoming.url ?? '');
    const query = parseQuery(route.query, c.req.queries());
    const name = c.req.param('model');
    const model = (name === undefined ? undefined : registry.get(name)) as Model;
    facts.model = name;
    const expected = expectedBy(query, c.req.header('if-match'));
    const held =
      route.body === 'none' ? undefined : await readBody(c.env.incoming, values.maxBody * MIB, admission);
    facts.bytes = held?.bytes.length;

    const use: Ask['use'] = (work) =>
      model.use((ready) => {
        const { version } = ready.classifier.data;
        const wanted = c.req.param('version');
        if (wanted !== undefined && wanted !== String(version)) throw noVersion(wanted, version);
        facts.version = version;
        facts.hash = ready.hash;
        return work(ready);
      });
    const work = async (signal: AbortSignal): Promise<Encoded> => {
      let leave = (_done: boolean) => {};
      let answered = false;
      try {
        const body = held && (await bodyOf(route, c, held, values.maxPictures));
        facts.pictures = sizeOf(body);
        if (works) leave = admission.enter(facts.pictures ?? 1, { deadline: allowed, paced: !route.changes });
        if (facts.pictures) metrics.pictures.add({ model: name as string }, facts.pictures);
        const answer = await route.act({ registry, model, samples, query, body, expected, signal, use });
        answered = true;
        return (route.encode ?? encodeJson)(answer, body);
      } finally {
        leave(answered);
        held?.free();
      }
    };
    const { body, headers } = await withDeadline(work, { milliseconds, outgoing: c.env.outgoing, stopping });
    if (model) {
      if (route.method === 'get' || route.changes) c.header('etag', model.etag);
      c.header('x-classifier-version', String(facts.version ?? model.data.version));
      c.header('x-classifier-hash', facts.hash ?? model.hash);
    }
    return c.body(body, 200, headers);
  };
}

/** Number of pictures or embeddings in a body; undefined if it has neither. */
function sizeOf(body: unknown): number | undefined {
  if (Array.isArray(body)) return body.length;
  const { pictures, features } = (body ?? {}) as Partial<Inference>;
  return features?.rows ?? pictures?.length;
}

const encodeJson = (answer: unknown): Encoded => ({
  body: jsonText(answer),
  headers: { 'content-type': 'application/json' },
});

async function bodyOf(
  { body }: Route,
  { req }: Context,
  { bytes }: HeldBody,
  most: number,
): Promise<unknown> {
  const type = req.header('content-type') ?? '';
  if (body === 'pictures') return picturesIn(type, bytes, most);
  if (body === 'inference')
    return inferenceIn({ type, jsonLength: req.header(JSON_LENGTH_HEADER) }, bytes, most);
  if (body === 'none') return undefined;
  checkJsonType(type);
  return parseJson(body, bytes);
}

function expectedBy(query: unknown, ifMatch?: string): Expected {
  const { version } = query as { version?: number };
  return { version, etags: ifMatch?.split(',').map((etag) => etag.trim()) };
}

function readOnlyError(): Refusal {
  return new Refusal(403, 'This server does not change classifiers', {
    code: 'server/read-only',
    hint: 'Start the server without --read-only to allow changes.',
  });
}

function noVersion(wanted: string, version: number): Refusal {
  return new Refusal(404, `The classifier has version ${version}, not ${wanted}`, {
    code: 'server/no-version',
    hint: 'Only the newest version is served. Leave the version out of the path, or give this one.',
    details: { version },
  });
}
