import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ReadableStream } from 'node:stream/web';
import { type Context, Hono } from 'hono';
import { type SSEStreamingApi, streamSSE } from 'hono/streaming';
import { z } from 'zod';
import { onAbort } from '../abort.ts';
import type { Classifier } from '../classifier/classifier.ts';
import { inTemporaryFolder } from '../store/temporary.ts';
import { boardAnswer, checkAnswer, presentClassifier, trialAnswer } from './answers.ts';
import type { StudioDesk } from './disk-workspace.ts';

import { exportName } from './export-name.ts';
import { changeSchema } from './journal.ts';
import { checkReport, classifierFile } from './keep.ts';
import { methodFacts } from './method-facts.ts';
import { phoneRoutes } from './phone-routes.ts';
import { projectZip } from './project.ts';
import { projectRoutes } from './project-routes.ts';
import { bytes, limited, MEGABYTE, MOST_PICTURE, parsed } from './route-tools.ts';
import type { Session } from './session.ts';
import type { Status } from './status.ts';

const BINARY = 'application/octet-stream';
const HTML = 'text/html; charset=utf-8';
const ZIP = 'application/zip';

const MOST_CHANGES = 256 * MEGABYTE;
const MOST_ZIP = 4096 * MEGABYTE;

const changesSchema = z.object({ version: z.number().int(), changes: z.array(changeSchema).max(10_000) });
const pauseSchema = z.object({ paused: z.boolean() });
const answerSchema = z.object({ download: z.boolean() });

/** The folders of the built pages: the studio's own, and the one that exports are made from. */
export interface PageFolders {
  readonly page: string;
  readonly exportPage?: string;
}

/** The page's routes for the open project. */
export function studioRoutes(desk: StudioDesk, { page, exportPage }: PageFolders): Hono {
  const app = new Hono();
  boardRoutes(app, desk);
  pictureRoutes(app, desk);
  answerRoutes(app, desk);
  keepRoutes(app, desk, exportPage);
  projectRoutes(app, desk);
  phoneRoutes(app, desk, page);
  return app;
}

function boardRoutes(app: Hono, desk: StudioDesk): void {
  app.get('/board', (c) => c.json(boardAnswer(desk.session)));

  app.post('/changes', limited(MOST_CHANGES), async (c) => {
    const { version, changes } = await parsed(c, changesSchema);
    // Another tab changed the board. This one must load it before changing it.
    if (version !== desk.session.version) return c.json({ version: desk.session.version }, 409);
    return c.json({ version: await desk.session.change(...changes) });
  });

  app.get('/events', (c) => streamSSE(c, (stream) => tellStatus(stream, desk.session)));

  app.post('/encoder', async (c) => {
    desk.session.answerDownload((await parsed(c, answerSchema)).download);
    return c.json({});
  });

  app.post('/upgrade', async (c) => {
    desk.session.answerUpgrade((await parsed(c, answerSchema)).download);
    return c.json({});
  });

  app.post('/stop', (c) => {
    desk.session.lessons?.stop();
    return c.json({});
  });

  app.post('/pause', async (c) => {
    desk.session.lessons?.pause((await parsed(c, pauseSchema)).paused);
    return c.json({});
  });

  app.get('/methods', (c) => c.json(methodFacts()));
}

/**
 * Sends the latest status to a page, as fast as it reads. Outdated statuses are skipped, so they do not accumulate. The stream ends
 * with the session, and the page then connects to the next one.
 */
async function tellStatus(stream: SSEStreamingApi, session: Session): Promise<void> {
  let latest: Status | undefined;
  let wake = () => {};
  const stop = session.watch((status) => {
    latest = status;
    wake();
  });
  stream.onAbort(() => wake());
  const unwatch = onAbort(session.ending, () => wake());
  while (!stream.aborted && !session.ending.aborted) {
    if (!latest) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      continue;
    }
    const data = JSON.stringify(latest);
    latest = undefined;
    await stream.writeSSE({ data });
  }
  unwatch();
  stop();
}

function pictureRoutes(app: Hono, desk: StudioDesk): void {
  app.post('/pictures', limited(MOST_PICTURE), async (c) => {
    const name = c.req.query('name') ?? '';
    return c.json(await desk.session.pictures.keep(name, new Uint8Array(await c.req.arrayBuffer())));
  });

  app.post('/zips', limited(MOST_ZIP), (c) =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, 'pictures.zip');
      if (c.req.raw.body) await pipeline(Readable.fromWeb(c.req.raw.body as never), createWriteStream(path));
      return c.json(await desk.session.pictures.keepZip(path, c.req.query('name')));
    }),
  );

  app.post('/preview', limited(MOST_PICTURE), async (c) => {
    const picture = new Uint8Array(await c.req.arrayBuffer());
    return bytes(c, await desk.session.pictures.preview(picture), { 'content-type': 'image/jpeg' });
  });

  app.get('/pictures/:hash', async (c) => {
    const { pictures } = desk.session;
    return bytes(c, await pictures.preview(await pictures.read(c.req.param('hash'))), {
      'content-type': 'image/jpeg',
      'cache-control': 'private, max-age=31536000, immutable',
    });
  });

  app.get('/thumbnails/:hash', async (c) =>
    bytes(c, await desk.session.pictures.thumbnail(c.req.param('hash')), {
      'content-type': 'image/jpeg',
      'cache-control': 'private, max-age=31536000, immutable',
    }),
  );
}

function answerRoutes(app: Hono, desk: StudioDesk): void {
  app.post('/try', limited(MOST_PICTURE), async (c) => {
    return c.json(await trialAnswer(desk.session, new Uint8Array(await c.req.arrayBuffer())));
  });

  app.get('/next', async (c) => {
    const kept = new Set(c.req.query('kept')?.split(','));
    return c.json((await desk.session.lessons?.next(desk.session.board, kept, c.req.raw.signal)) ?? []);
  });

  app.get('/guesses', async (c) => {
    const { lessons, board } = desk.session;
    return c.json((await lessons?.guesses(board, c.req.raw.signal)) ?? []);
  });

  app.get('/map', async (c) => c.json((await desk.session.lessons?.searchMap(c.req.raw.signal)) ?? null));

  app.get('/check', (c) => c.json(checkAnswer(desk.session)));
}

function keepRoutes(app: Hono, desk: StudioDesk, exportPage?: string): void {
  /** The present classifier, with the rejection threshold of the settings. */
  const kept = (): Classifier => {
    const { name, settings } = desk.session.board;
    return presentClassifier(desk.session)
      .withReject(settings.reject)
      .withName(name || 'studio');
  };
  const attachment = (ending: string, type: string, otherwise?: string) => ({
    'content-type': type,
    'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(`${exportName(desk.session.board.name, otherwise)}${ending}`)}`,
  });
  const download = (c: Context, ending: string, type: string, content: Uint8Array, otherwise?: string) =>
    bytes(c, content, attachment(ending, type, otherwise));

  app.get('/classifier', async (c) =>
    download(c, '.safetensors', BINARY, await classifierFile(kept(), desk.session.pictures)),
  );

  app.get('/classifier/size', async (c) =>
    c.json((await classifierFile(kept(), desk.session.pictures)).byteLength),
  );

  app.get('/onnx', async (c) => {
    const { exportOnnx } = await import('../export/index.ts');
    const { bytes: content } = await exportOnnx(kept(), { signal: c.req.raw.signal });
    return download(c, '.onnx', BINARY, content);
  });

  app.get('/page', async (c) => {
    const { exportWeb } = await import('../export/index.ts');
    const { bytes: content } = await exportWeb(kept(), { signal: c.req.raw.signal, page: exportPage });
    return download(c, '.html', HTML, content);
  });

  app.get('/site', async (c) => {
    const { exportSiteZip } = await import('../export/index.ts');
    const content = await exportSiteZip(kept(), { signal: c.req.raw.signal });
    return download(c, '-site.zip', ZIP, content);
  });

  app.get('/card', async (c) => {
    const { modelCard } = await import('../export/index.ts');
    return download(c, '.md', 'text/markdown; charset=utf-8', Buffer.from(modelCard(kept().data)));
  });

  app.get('/project', async (c) => {
    const zip = await projectZip(desk.session.board, desk.session.pictures);
    return c.body(
      ReadableStream.from(zip) as globalThis.ReadableStream,
      200,
      attachment('.zip', ZIP, 'pictures'),
    );
  });

  app.get('/report', async (c) => {
    const { lessons, pictures, board } = desk.session;
    const report = await checkReport(lessons?.check, pictures, board.name);
    return download(c, '-report.html', HTML, Buffer.from(report));
  });
}
