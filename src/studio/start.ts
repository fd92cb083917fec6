import { existsSync } from 'node:fs';
import type { Server } from 'node:http';
import { join, posix } from 'node:path';
import { createAdaptorServer } from '@hono/node-server';
import { serveStatic } from '@hono/node-server/serve-static';
import { Hono } from 'hono';
import { readDataset } from '../dataset/read.ts';
import { learnable } from '../dataset/split.ts';
import type { Finding } from '../dataset/types.ts';
import { DataError, throwIfAborted, UsageError } from '../errors.ts';
import { drained, listen } from '../server/http.ts';
import { Refusal } from '../server/problem.ts';
import { answerHeaders, hostGuard, originGuard } from '../server/security.ts';
import { type BoardPicture, sameName } from './board.ts';
import type { Kept } from './pictures.ts';
import { studioRoutes, tellProblem } from './routes.ts';
import { lastAddress, rememberAddress, Session, type SessionOptions } from './session.ts';
import { problemOf } from './status.ts';

export interface StudioOptions extends SessionOptions {
  /** 0: the one of last time, where it is free, so that a page that is still open finds the session again; else any free one. */
  readonly port?: number;
  /** Labelled pictures to begin with: whatever `readDataset` reads. */
  readonly data?: string;
  /** Folder of the built page (default: the one of this package). */
  readonly page?: string;
  /** Folder of the built page that exports are made of (default: the one of this package). */
  readonly exportPage?: string;
  readonly signal?: AbortSignal;
  /** Told how far the bringing in of `data` is. */
  onProgress?(progress: { done: number; total: number }): void;
}

export interface Studio {
  /** What to open in a browser. */
  readonly address: string;
  readonly session: Session;
  /** What was noticed about `data`, and which of its pictures cannot be read, and why. */
  readonly findings: readonly Finding[];
  readonly unreadable: readonly string[];
  close(): Promise<void>;
}

/** Nothing from anywhere else, no inline script or style; pictures of the camera and dropped ones are blobs. */
const POLICY = [
  '',
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  "media-src 'self' blob:",
  "connect-src 'self'",
].join('; ');

/** The page, and what it asks: only pages of this server may, whatever else is open in the same browser. */
function studioApp(session: Session, page: string, exportPage?: string): Hono {
  const app = new Hono();
  app.onError(tellProblem);
  app.notFound(() => {
    throw new Refusal(404, 'There is nothing at this address', { code: 'studio/not-found' });
  });
  app.use(
    answerHeaders(POLICY, {
      'cross-origin-opener-policy': 'same-origin',
      'permissions-policy': 'camera=(self), microphone=(), geolocation=()',
    }),
  );
  app.use(hostGuard([]));
  app.use('/api/*', originGuard([]));
  app.route('/api', studioRoutes(session, exportPage));
  app.use(serveStatic({ root: page }));
  return app;
}

/** Starts the studio on 127.0.0.1: the page and the session behind it. Throws `UsageError` where the port is taken or the page is not built. */
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
      hint: 'It is made by `npm run build`.',
      details: { page },
    });
  }
  const session = await Session.open(options);
  try {
    const brought = data
      ? await bringIn(session, data, signal, onProgress)
      : { findings: [], unreadable: [] };
    const server = createAdaptorServer(studioApp(session, page, exportPage)) as Server;
    const address = await listenAgain(server, options.folder, port);
    return {
      address,
      session,
      ...brought,
      close: async () => {
        session.end();
        await drained(server, PATIENCE, () => {});
        await session.close();
      },
    };
  } catch (error) {
    await session.close();
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

/** Milliseconds that requests under way are waited for when the studio is closed. */
const PATIENCE = 5_000;
const HOST = '127.0.0.1';

/** Puts a data set's pictures on the board, in one step, but for those held out; tells what was noticed and what could not be read. */
async function bringIn(
  session: Session,
  path: string,
  signal?: AbortSignal,
  onProgress?: StudioOptions['onProgress'],
): Promise<Pick<Studio, 'findings' | 'unreadable'>> {
  const { classes, examples, findings, name } = learnable(await readDataset(path, { signal }));
  const step = `bring in ${name}`.slice(0, 64);
  const ids: string[] = [];
  for (const { name: className } of classes) {
    const known = session.board.classes.find((one) => sameName(one.name, className));
    ids.push(known?.id ?? crypto.randomUUID());
    if (!known)
      await session.change({ command: { do: 'add-class', id: ids.at(-1) as string, name: className }, step });
  }
  const pictures: BoardPicture[] = [];
  const unreadable: string[] = [];
  for (const [i, { id, label, group, read }] of examples.entries()) {
    throwIfAborted(signal);
    const kept = await read()
      .then((bytes) => session.pictures.keep(posix.basename(id), bytes))
      .catch((error): Kept => unreadableFile(id, error));
    if ('problem' in kept) unreadable.push(`${id}: ${kept.problem.message}`);
    else pictures.push({ ...kept, classId: label < 0 ? undefined : ids[label], group });
    onProgress?.({ done: i + 1, total: examples.length });
  }
  await session.change({ command: { do: 'add', pictures }, step });
  return { findings, unreadable };
}

function unreadableFile(name: string, error: unknown): Kept {
  if (error instanceof DataError) return { name, problem: problemOf(error) };
  throw error;
}
