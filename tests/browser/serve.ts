import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { serveStatic } from '@hono/node-server/serve-static';
import { Hono } from 'hono';

/** Headers under which a page may use several threads. */
const ISOLATED = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
};

/** Serves folders under their paths on 127.0.0.1. Paths below `/isolated` have the headers for threads. */
export async function serveFolders(folders: Readonly<Record<string, string>>) {
  const app = new Hono();
  app.use(async (c, next) => {
    await next();
    for (const [name, value] of Object.entries(ISOLATED)) {
      if (c.req.path.startsWith('/isolated')) c.header(name, value);
    }
    c.header('cross-origin-resource-policy', 'same-origin');
  });
  for (const [path, root] of Object.entries(folders)) {
    app.use(`${path}/*`, serveStatic({ root, rewriteRequestPath: (whole) => whole.slice(path.length) }));
  }
  const server = createServer(getRequestListener(app.fetch));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    address: `http://127.0.0.1:${port}`,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      // A browser opens connections before it needs them, and Node would wait a minute for their first request.
      server.closeAllConnections();
      await closed;
    },
  };
}
