import { existsSync } from 'node:fs';
import type { Server } from 'node:http';
import { join } from 'node:path';
import { createAdaptorServer } from '@hono/node-server';
import { serveStatic } from '@hono/node-server/serve-static';
import { Hono } from 'hono';
import { readDataset } from '../dataset/read.ts';
import { UsageError } from '../errors.ts';
import { drained, listen } from '../server/http.ts';
import { Refusal } from '../server/problem.ts';
import { answerHeaders, hostGuard, originGuard } from '../server/security.ts';
import { Desk } from './desk.ts';
import { lastAddress, rememberAddress, type SessionOptions } from './disk-session.ts';
import { diskWorkspace, type StudioDesk } from './disk-workspace.ts';
import { type ImportedPictures, importPictures } from './import-pictures.ts';
import { PAGE_POLICY, tellProblem } from './route-tools.ts';
import { type PageFolders, studioRoutes } from './routes.ts';
import type { Session } from './session.ts';

export interface StudioOptions extends SessionOptions {
  /** The port. 0 takes the port of the last time if it is free, so that an open page finds the session again, else any free port. */
  readonly port?: number;
  /** Labelled pictures to begin with, in any form that `readDataset` reads. */
  readonly data?: string;
  /** Folder of the built page (default: the one of this package). */
  readonly page?: string;
  /** Folder of the built page that exports are made of (default: the one of this package). */
  readonly exportPage?: string;
  readonly signal?: AbortSignal;
  /** Called with the progress of importing `data`. */
  onProgress?(progress: { done: number; total: number }): void;
}

export interface Studio {
  /** The URL to open in a browser. */
  readonly address: string;
  /** The session of the open project. */
  readonly session: Session;
  /** Findings about `data`, and with `unreadable` the pictures that cannot be read, with reasons. */
  readonly findings: ImportedPictures['findings'];
  readonly unreadable: ImportedPictures['unreadable'];
  close(): Promise<void>;
}

/** The page and its routes. Pages of other sites in the same browser are refused. */
function studioApp(desk: StudioDesk, folders: PageFolders): Hono {
  const app = new Hono();
  app.onError(tellProblem);
  app.notFound(() => {
    throw new Refusal(404, 'The path does not exist', { code: 'studio/not-found' });
  });
  app.use(
    answerHeaders(PAGE_POLICY, {
      'cross-origin-opener-policy': 'same-origin',
      'permissions-policy': 'camera=(self), microphone=(), geolocation=()',
    }),
  );
  app.use(hostGuard([]));
  app.use('/api/*', originGuard([]));
  app.route('/api', studioRoutes(desk, folders));
  app.use(serveStatic({ root: folders.page }));
  return app;
}

/** Starts the studio on 127.0.0.1, with its page and its session. Throws `UsageError` if the port is in use or the page is not built. */
export async function startStudio({
  port = 0,
  data,
  page = join(import.meta.dirname, 'web'),
  exportPage,
  signal,
  onProgress,
  ...options
}: StudioOptions): Promise<Studio> {
  if (!existsSync(join(page, 'index.html'))) {
    throw new UsageError(`The studio's page is not in ${page}`, {
      code: 'studio/page',
      hint: 'Run `npm run build`, which makes it.',
      details: { page },
    });
  }
  // The data is read first, so that unreadable data is refused before the session opens and an encoder is downloaded.
  const dataset = data === undefined ? undefined : await readDataset(data, { signal });
  const desk = await Desk.open(diskWorkspace(options.folder), options.encoder ?? 'auto');
  try {
    const { findings, unreadable } = dataset
      ? await importPictures(desk.session, dataset, signal, onProgress)
      : { findings: [], unreadable: [] };
    const server = createAdaptorServer(studioApp(desk, { page, exportPage })) as Server;
    const address = await listenAgain(server, options.folder, port);
    return {
      address,
      get session() {
        return desk.session;
      },
      findings,
      unreadable,
      close: async () => {
        desk.session.end();
        await drained(server, PATIENCE, () => {});
        await desk.close();
      },
    };
  } catch (error) {
    await desk.close();
    throw error;
  }
}

async function listenAgain(server: Server, folder: string, port: number): Promise<string> {
  const last = port === 0 ? await lastAddress(folder) : undefined;
  const address =
    (last && (await listen(server, HOST, Number(new URL(last).port)).catch(() => undefined))) ??
    (await listen(server, HOST, port));
  await rememberAddress(folder, address);
  return address;
}

/** Milliseconds to wait for running requests when the studio is closed. */
const PATIENCE = 5_000;
const HOST = '127.0.0.1';
