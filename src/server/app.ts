import { type Context, Hono } from 'hono';
import { cors } from 'hono/cors';
import type { Admission } from './admission.ts';
import { handler, type Serving } from './handler.ts';
import { JSON_LENGTH_HEADER } from './inference.ts';
import type { Log } from './log.ts';
import type { Model } from './model.ts';
import { observe, type ServerEnv, tellProblem } from './observe.ts';
import { openApi } from './openapi.ts';
import { Refusal } from './problem.ts';
import * as prometheus from './prometheus.ts';
import { routes } from './routes.ts';
import { answerHeaders, hostGuard, originGuard, tokenGuard } from './security.ts';

/** All routes of the server. Health checks need no token; all other routes need the token, if there is one. */
export function createApp(serving: Serving, log: Log): Hono<ServerEnv> {
  const { values, admission, metrics } = serving;
  const { cors: origins, allowHost, token, host } = values;
  const app = new Hono<ServerEnv>();
  app.onError(tellProblem);
  app.notFound(() => {
    throw new Refusal(404, 'The path does not exist', {
      code: 'server/not-found',
      hint: 'GET /openapi.json lists all paths.',
    });
  });
  app.use(observe(metrics, log));
  app.use(answerHeaders('', { 'cache-control': 'no-store' }));
  app.use(async (c, next) => {
    await next();
    if (admission.draining) c.header('connection', 'close');
  });
  app.use(hostGuard([host, ...allowHost]));
  if (origins.length > 0) {
    const exposeHeaders = [
      'etag',
      'retry-after',
      'x-request-id',
      'x-classifier-version',
      'x-classifier-hash',
      JSON_LENGTH_HEADER,
    ];
    app.use(cors({ origin: origins.includes('*') ? '*' : origins, exposeHeaders, maxAge: 600 }));
  }
  app.use(originGuard(origins));
  healthRoutes(app, admission);
  if (token !== undefined) app.use(tokenGuard(token));
  metricsRoute(app, serving);
  const document = openApi(routes, token !== undefined);
  app.get('/openapi.json', (c) => at(c, '/openapi.json').json(document));
  app.all('/openapi.json', wrongMethod('/openapi.json', ['GET']));
  for (const route of routes) app.on(route.method.toUpperCase(), route.path, handler(route, serving));
  for (const path of new Set(routes.map((route) => route.path))) {
    const own = routes.filter((route) => route.path === path);
    app.all(
      path,
      wrongMethod(
        path,
        own.map(({ method }) => method.toUpperCase()),
      ),
    );
  }
  return app;
}

/** Records the route in the context, for the log and the metrics. */
function at(c: Context<ServerEnv>, route: string): Context<ServerEnv> {
  c.get('facts').route = route;
  return c;
}

const HEALTH = ['/healthz', '/readyz', '/v2/health/live', '/v2/health/ready'];

function healthRoutes(app: Hono<ServerEnv>, admission: Admission): void {
  app.get('/healthz', (c) => at(c, '/healthz').json({ status: 'ok' }));
  app.get('/readyz', (c) => {
    const { draining } = admission;
    return at(c, '/readyz').json({ status: draining ? 'draining' : 'ready' }, draining ? 503 : 200);
  });
  app.get('/v2/health/live', (c) => at(c, '/v2/health/live').json({ live: true }));
  app.get('/v2/health/ready', (c) => {
    const { draining } = admission;
    return at(c, '/v2/health/ready').json({ ready: !draining }, draining ? 503 : 200);
  });
  for (const path of HEALTH) app.all(path, wrongMethod(path, ['GET']));
}

function metricsRoute(app: Hono<ServerEnv>, { admission, registry, metrics, meter }: Serving): void {
  const reading: typeof prometheus.reading = (type, name, help, read) =>
    prometheus.reading(type, name, help, read, meter);
  const ofModels = (value: (model: Model) => number) => () =>
    registry.all.map((model) => [{ model: model.name }, value(model)] as const);
  const now = [
    reading('gauge', 'tip_adapter_queue_pictures', 'Pictures that wait or are being answered.', () => [
      [{}, admission.pictures],
    ]),
    reading('gauge', 'tip_adapter_queue_bytes', 'Bytes of requests in memory.', () => [
      [{}, admission.bytes],
    ]),
    reading(
      'gauge',
      'tip_adapter_model_version',
      'Version of each classifier.',
      ofModels(({ data }) => data.version),
    ),
    reading(
      'gauge',
      'tip_adapter_model_file_refused',
      '1 if the file on the disk cannot be used, else 0.',
      ofModels(({ problem }) => Number(problem !== undefined)),
    ),
    reading('counter', 'process_cpu_seconds_total', 'Seconds of computing, all threads.', () => {
      const { user, system } = process.cpuUsage();
      return [[{}, (user + system) / 1e6]];
    }),
    reading('gauge', 'process_resident_memory_bytes', 'Resident memory.', () => [
      [{}, process.memoryUsage.rss()],
    ]),
  ];
  app.get('/metrics', (c) => {
    const text = prometheus.renderMetrics([...Object.values(metrics), ...now]);
    const type = 'text/plain; version=0.0.4; charset=utf-8';
    return at(c, '/metrics').body(text, 200, { 'content-type': type });
  });
  app.all('/metrics', wrongMethod('/metrics', ['GET']));
}

/** Refuses other methods (405). HEAD is allowed wherever GET is. */
function wrongMethod(path: string, methods: readonly string[]) {
  const allow = methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])).join(', ');
  return (c: Context<ServerEnv>): never => {
    at(c, path);
    throw new Refusal(405, `This path accepts only ${allow}`, {
      code: 'server/method',
      hint: 'GET /openapi.json lists the methods of every path.',
      headers: { allow },
    });
  };
}
