import { existsSync, readFileSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import type { Browser } from 'playwright-core';
import { build, type UserConfig } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { workspace, writePictures } from '../../src/classifier/fake-encoder.fixture.ts';
import { type Classifier, fit } from '../../src/classifier/index.ts';
import { writeSmallEncoder } from '../../src/encoder/small-encoder.fixture.ts';
import { exportSite } from '../../src/export/index.ts';
import { chromiumMissing, chromiumPath, launchChromium } from '../browser/chromium.ts';

declare const page: {
  open(source: string, options: object): Promise<{ predict(image: unknown): Promise<Answer> }>;
};
declare const fetch: (url: string) => Promise<{ blob(): Promise<unknown> }>;
interface Answer {
  name: string;
  probability: number;
}
interface Refused {
  kind: string;
  code: string;
  message: string;
  hint: string;
}

/** What a host answers with. */
interface File {
  readonly body: Buffer;
  readonly type: string;
  readonly headers?: Readonly<Record<string, string>>;
}
/** A host: what it answers for a path, and for a file that it has. */
type Host = (path: string, file: File | undefined) => File | undefined;

const at = workspace();
const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html',
  js: 'text/javascript',
  json: 'application/json',
  wasm: 'application/wasm',
};

describe.skipIf(!chromiumPath)(`tip-adapter/web on all kinds of hosts${chromiumMissing}`, () => {
  let classifier: Classifier;
  let browser: Browser;
  let server: Server;
  let host: Host;

  /** Bundles the page into a folder. */
  const bundled = (outDir: string, worker: UserConfig['worker'] = {}) =>
    build({
      root: join(import.meta.dirname, 'page'),
      configFile: false,
      base: './',
      logLevel: 'error',
      worker: { format: 'es', ...worker },
      build: { outDir, emptyOutDir: true, target: 'esnext' },
    });

  beforeAll(async () => {
    await bundled(at('www'));
    await bundled(at('www/one-file'), { rolldownOptions: { output: { codeSplitting: false } } });
    const photos = await writePictures(at('www/photos'), { cat: 4, dog: 4 });
    await writeSmallEncoder(at('encoder'));
    classifier = await fit(photos, { encoder: at('encoder') });
    await exportSite(classifier, at('www/site'));
    await classifier.save(at('www/plain.safetensors'));
    server = createServer((request, response) => {
      const { pathname } = new URL(request.url!, 'http://host');
      const found = existsSync(at(`www${pathname}`)) && statSync(at(`www${pathname}`)).isFile();
      const type = TYPES[pathname.split('.').at(-1)!] ?? 'application/octet-stream';
      const answer = host(pathname, found ? { body: readFileSync(at(`www${pathname}`)), type } : undefined);
      if (!answer) response.writeHead(404).end();
      else response.writeHead(200, { 'content-type': answer.type, ...answer.headers }).end(answer.body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
    server?.closeAllConnections();
    server?.close();
    await classifier?.close();
  });

  /** Opens a classifier in a new visit of the page, and returns the answer for a picture or the error, and the notes. */
  async function visit(served: Host, source = '/site/', options: object = {}, folder = '') {
    host = served;
    const context = await browser.newContext();
    const tab = await context.newPage();
    try {
      await tab.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}${folder}/index.html`);
      await tab.waitForFunction(() => 'page' in globalThis);
      return await tab.evaluate(
        async ([source, options]) => {
          const notes: string[] = [];
          const note = (_: string, code: string) => notes.push(code);
          try {
            const pets = await page.open(source, { ...options, note });
            const { name, probability } = await pets.predict(await (await fetch('/photos/cat/0.png')).blob());
            return { name, probability, notes };
          } catch (error) {
            const { name: kind, code, message, hint } = error as Refused & Answer;
            return { kind, code, message, hint, notes };
          }
        },
        [source, options] as const,
      );
    } finally {
      await context.close();
    }
  }

  async function expectAnswer(served: Host, options: object = {}): Promise<string[]> {
    const answer = await visit(served, '/site/', options);
    const own = await classifier.predict(at('www/photos/cat/0.png'));
    expect(answer).toMatchObject({ name: own.name });
    expect(Math.abs(answer.probability! - own.probability)).toBeLessThan(1e-5);
    return answer.notes;
  }

  const plain: Host = (_, file) => file;
  /** The host changes the files whose paths match. */
  const changed =
    (paths: RegExp, change: (file: File) => File | undefined): Host =>
    (path, file) =>
      file && paths.test(path) ? change(file) : file;
  const withHeaders = (headers: Readonly<Record<string, string>>, of = /./): Host =>
    changed(of, (file) => ({ ...file, headers: { ...file.headers, ...headers } }));
  const ISOLATED = {
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-embedder-policy': 'require-corp',
  };
  /** A host of a single-page app, which has no file whose path matches, and answers with its page. */
  const singlePage =
    (missing: RegExp): Host =>
    (path, file) =>
      file && !missing.test(path) ? file : { body: readFileSync(at('www/index.html')), type: 'text/html' };

  it.each([
    ['site.json', '/site/', {}],
    ['classifier.safetensors', '/site/', {}],
    ['encoder.json', '/site/', {}],
    ['vision_model.onnx', '/site/', {}],
    ['plain.safetensors', '/plain.safetensors', { encoder: '/site/encoder/' }],
  ])('names %s where the host answers with its page for a missing file', async (name, source, options) => {
    const missing = await visit(singlePage(new RegExp(name)), source, options);
    expect(missing).toMatchObject({ kind: 'ModelError', code: 'web/not-found' });
    expect(missing.message).toMatch(new RegExp(`${name} is a web page`));
  });

  it('names the worker and the parts of the program for which the host answers with its page', async () => {
    const worker = await visit(singlePage(/worker-.*\.js$/));
    expect(worker).toMatchObject({ kind: 'ModelError', code: 'web/worker' });
    const part = await visit(singlePage(/ort\..*\.js$/));
    expect(part).toMatchObject({ kind: 'ModelError', code: 'web/network' });
  });

  it('answers if the host knows no type of file but those of the page and its scripts', async () => {
    const untyped = changed(/^(?!.*\.(html|js)$)/, (file) => ({ ...file, type: 'text/plain' }));
    await expectAnswer(untyped);
    const scripts = changed(/worker-.*\.js$/, (file) => ({ ...file, type: 'text/plain' }));
    expect(await visit(scripts)).toMatchObject({ code: 'web/worker' });
  });

  it('reads files that the host compresses, and names those that it compresses without a word', async () => {
    const compressed = (encoding: string, compress: (bytes: Buffer) => Buffer) =>
      changed(/\.(js|json|onnx|safetensors)$/, ({ body, ...file }) => ({
        ...file,
        body: compress(body),
        headers: { 'content-encoding': encoding },
      }));
    await expectAnswer(compressed('gzip', (bytes) => gzipSync(bytes)));
    await expectAnswer(compressed('br', (bytes) => brotliCompressSync(bytes)));
    const silent = (paths: RegExp) => changed(paths, (file) => ({ ...file, body: gzipSync(file.body) }));
    expect(await visit(silent(/\.onnx$/))).toMatchObject({ code: 'web/incomplete' });
    expect(await visit(silent(/site\.json$/))).toMatchObject({ code: 'web/site' });
    expect(await visit(silent(/encoder\.json$/))).toMatchObject({ code: 'encoder/json' });
    expect(await visit(silent(/\.wasm$/))).toMatchObject({ code: 'engine/runtime' });
    const untrue = withHeaders({ 'content-encoding': 'gzip' }, /\.onnx$/);
    expect(await visit(untrue)).toMatchObject({ code: 'web/network' });
  });

  it('names a content security policy that forbids WebAssembly, the worker or the files', async () => {
    const policy = (text: string) => withHeaders({ 'content-security-policy': text });
    const wasm = await visit(policy("default-src 'self'"));
    expect(wasm).toMatchObject({ kind: 'ModelError', code: 'web/policy' });
    expect(wasm.hint).toContain("'wasm-unsafe-eval'");
    const allowed = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'";
    expect(await visit(policy(`${allowed}; worker-src 'none'`))).toMatchObject({ code: 'web/worker' });
    expect(await visit(policy(`${allowed}; connect-src 'none'`))).toMatchObject({ code: 'web/network' });
    await expectAnswer(policy(allowed));
  });

  it('computes with threads in an isolated page, and says where there can be none', async () => {
    expect(await expectAnswer(withHeaders(ISOLATED), { threads: 2 })).toEqual([]);
    expect(await expectAnswer(plain, { threads: 2 })).toEqual(['web/no-threads']);
    const pageAlone = withHeaders(ISOLATED, /\.html$/);
    expect(await visit(pageAlone)).toMatchObject({ code: 'web/worker' });
  });

  it('says what to do if a bundler put the worker into one file, which cannot start threads', async () => {
    const inOneFile = (threads: number) =>
      visit(withHeaders(ISOLATED), '/site/', { threads, device: 'cpu' }, '/one-file');
    expect(await inOneFile(2)).toMatchObject({
      code: 'web/worker',
      hint: expect.stringContaining('--splitting'),
    });
    expect(await inOneFile(1)).toMatchObject({ name: expect.any(String) });
  });

  it('reads a folder that was uploaded again, though the browser keeps files for a day', async () => {
    const day = withHeaders({ 'cache-control': 'max-age=86400', etag: '"1"' }, /safetensors$/);
    const context = await browser.newContext();
    try {
      const tab = await context.newPage();
      const opened = async (served: Host) => {
        host = served;
        await tab.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/index.html`);
        await tab.waitForFunction(() => 'page' in globalThis);
        return tab.evaluate(() =>
          page.open('/site/', {}).then(
            () => 'opened',
            ({ code }) => code,
          ),
        );
      };
      expect(await opened(day)).toBe('opened');
      await using other = await classifier.withReject(0.3);
      await exportSite(other, at('www/site'));
      expect(await opened(plain)).toBe('opened');
    } finally {
      await context.close();
    }
  });

  it('names a file of which a service worker has an older copy', async () => {
    const script = `
      addEventListener('activate', (event) => event.waitUntil(clients.claim()));
      addEventListener('fetch', (event) => {
        if (event.request.url.endsWith('.safetensors')) event.respondWith(new Response('an older copy'));
      });`;
    const context = await browser.newContext();
    try {
      const tab = await context.newPage();
      host = (path, file) => (path === '/sw.js' ? { body: Buffer.from(script), type: TYPES.js! } : file);
      await tab.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/index.html`);
      await tab.evaluate(`(async () => {
        await navigator.serviceWorker.register('/sw.js');
        if (!navigator.serviceWorker.controller)
          await new Promise((resolve) => (navigator.serviceWorker.oncontrollerchange = resolve));
      })()`);
      const refused = await tab.evaluate(() =>
        page.open('/site/', {}).then(
          () => undefined,
          ({ code, hint }) => ({ code, hint }),
        ),
      );
      expect(refused).toEqual({ code: 'web/incomplete', hint: expect.stringContaining('service worker') });
    } finally {
      await context.close();
    }
  });
});
