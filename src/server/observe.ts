import { randomUUID } from 'node:crypto';
import type { HttpBindings } from '@hono/node-server';
import type { Context, MiddlewareHandler } from 'hono';
import { TipAdapterError } from '../errors.ts';
import { jsonText } from '../printable.ts';
import { traced } from '../tracing.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import { PROBLEM_TYPE, problemOf, Refusal } from './problem.ts';

/** Facts of a request, for the log and the metrics. */
interface Facts {
  readonly id: string;
  /** The route's path, not the request's URL, so that the number of values is bounded. */
  route: string;
  model?: string;
  /** The classifier that answered: its version, and the sha256 of its content. */
  version?: number;
  hash?: string;
  pictures?: number;
  bytes?: number;
  error?: unknown;
}

export interface ServerEnv {
  Bindings: HttpBindings;
  Variables: { facts: Facts };
}

/** Ids that clients may give their requests. */
const REQUEST_ID = /^[\w.:-]{1,64}$/;

/** Names each request, traces and counts it, and logs it when it is answered. */
export function observe(metrics: Metrics, log: Log): MiddlewareHandler<ServerEnv> {
  return async (c, next) => {
    const { method } = c.req;
    const started = performance.now();
    const asked = c.req.header('x-request-id') ?? '';
    const facts: Facts = { id: REQUEST_ID.test(asked) ? asked : randomUUID(), route: 'other' };
    c.set('facts', facts);
    await traced(
      'request',
      { 'http.request.method': method },
      async (note) => {
        await next();
        const { route, id, model, pictures } = facts;
        note({
          'http.route': route,
          'http.response.status_code': c.res.status,
          'tip_adapter.request': id,
          'tip_adapter.model': model,
          'tip_adapter.pictures': pictures,
        });
      },
      { headers: c.env.incoming.headers },
    );
    c.header('x-request-id', facts.id);
    const { route, error, ...known } = facts;
    const { status } = c.res;
    const milliseconds = performance.now() - started;
    metrics.requests.add({ route, method, status });
    metrics.seconds.observe(milliseconds / 1000, { route });
    log(levelOf(status), 'request', {
      ...known,
      method,
      route,
      status,
      milliseconds: Math.round(milliseconds * 10) / 10,
      ...errorFacts(error, status),
    });
  };
}

const levelOf = (status: number) => (status === 500 ? 'error' : status > 500 ? 'warn' : 'info');

/** Facts of an error that only the log gets: the message and, if the error is not the package's own, the stack. */
function errorFacts(error: unknown, status: number) {
  if (!(error instanceof Error)) return {};
  const code = error instanceof TipAdapterError ? error.code : 'unexpected';
  if (status !== 500) return { code };
  return { code, error: error.message, ...(code === 'unexpected' ? { stack: error.stack } : {}) };
}

/** Answers with an error's problem details. */
export function tellProblem(error: Error, c: Context<ServerEnv>): Response {
  const facts = c.get('facts');
  facts.error = error;
  const problem = problemOf(error);
  const headers = error instanceof Refusal ? error.headers : {};
  const { detail, hint } = problem;
  // Clients of the Open Inference Protocol show the member `error`.
  const further = c.req.path.startsWith('/v2') ? { error: [detail, hint].filter(Boolean).join('. ') } : {};
  return c.body(jsonText({ ...problem, ...further, requestId: facts.id }), problem.status as 400, {
    ...headers,
    'content-type': PROBLEM_TYPE,
  });
}
