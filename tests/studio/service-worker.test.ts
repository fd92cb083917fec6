import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeSmallEncoder } from '../../src/encoder/small-encoder.fixture.ts';
import { exportStudio } from '../../src/studio/index.ts';
import { chromiumMissing, chromiumPath, launchChromium } from '../browser/chromium.ts';

const WORKER = join(import.meta.dirname, '../../src/studio/web/local/service-worker.ts');

/** A static host of a folder at the root of an origin. Like Cloudflare Pages, it redirects `/index.html` to `/`. */
async function host(folder: string) {
  const state = { status: 200, isCut: false };
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url!, 'http://host');
    if (state.isCut) return void request.socket.destroy();
    if (pathname === '/index.html') return void response.writeHead(308, { location: '/' }).end();
    const file = pathname === '/' ? 'index.html' : pathname.slice(1);
    let content: Buffer | undefined;
    try {
      content = readFileSync(join(folder, file));
    } catch {}
    const type = file.endsWith('js') ? 'text/javascript' : 'text/html';
    const headers = { 'content-type': type, 'access-control-allow-origin': '*' };
    response.writeHead(content ? state.status : 404, headers).end(content);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    state,
    address: `http://127.0.0.1:${port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

describe.skipIf(!chromiumPath)(`the studio's service worker, in Chromium${chromiumMissing}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'studio-worker-'));
  const built = join(folder, 'page');
  const site = join(folder, 'site');
  let own: Awaited<ReturnType<typeof host>>;
  let foreign: Awaited<ReturnType<typeof host>>;
  let browser: Browser;
  let page: Page;

  /** Exports a page of these words, whose encoder is on the other host. */
  const exported = async (words: string) => {
    writeFileSync(join(built, 'site.html'), `<!doctype html><html><head></head><body>${words}</body></html>`);
    await exportStudio(site, { encoder: `${foreign.address}/`, page: built, samples: false });
  };
  /** Registers the service worker. Returns whether it was installed. */
  const installed = (on: Page): Promise<boolean> =>
    on.evaluate(`(async () => {
      const registration = await navigator.serviceWorker.register('./service-worker.js');
      if (registration.active) await registration.update();
      const worker = registration.installing ?? registration.waiting ?? registration.active;
      while (worker.state === 'installing')
        await new Promise((resolve) => worker.addEventListener('statechange', resolve, { once: true }));
      if (worker.state === 'redundant') return false;
      await navigator.serviceWorker.ready;
      return true;
    })()`);

  beforeAll(async () => {
    await build({
      configFile: false,
      logLevel: 'warn',
      build: {
        outDir: built,
        emptyOutDir: true,
        rollupOptions: { input: WORKER, output: { entryFileNames: '[name].js' } },
      },
    });
    mkdirSync(join(built, 'assets'));
    writeFileSync(join(built, 'icon.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>');
    await writeSmallEncoder(join(folder, 'encoder'));
    writeFileSync(join(built, 'site.html'), '<head></head>');
    await exportStudio(join(folder, 'whole'), {
      encoder: join(folder, 'encoder'),
      page: built,
      samples: false,
    });
    foreign = await host(join(folder, 'whole/encoder'));
    await exported('first');
    own = await host(site);
    browser = await launchChromium();
    page = await browser.newPage();
    await page.goto(own.address);
    expect(await installed(page)).toBe(true);
  });
  afterAll(async () => {
    await browser?.close();
    own?.close();
    foreign?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('answers with the page on a host that redirects its start page', async () => {
    for (const path of ['/', '/index.html', '/?from=mail']) {
      const response = await page.goto(own.address + path);
      expect(response?.fromServiceWorker(), path).toBe(true);
      expect(await page.evaluate('crossOriginIsolated'), path).toBe(true);
    }
  });

  it('is not installed from files of another version, and is once they are whole', async () => {
    await exported('second');
    const whole = readFileSync(join(site, 'index.html'), 'utf8');
    writeFileSync(join(site, 'index.html'), whole.replace('second', 'first!'));
    const other = await browser.newContext();
    const visit = await other.newPage();
    await visit.goto(own.address);
    expect(await installed(visit)).toBe(false);
    writeFileSync(join(site, 'index.html'), whole);
    expect(await installed(visit)).toBe(true);
    await visit.reload();
    expect(await visit.innerText('body')).toBe('second');
    await other.close();
  });

  it('keeps the record of an encoder on another host, also for the next version of the page', async () => {
    const record = () => page.evaluate(`fetch('${foreign.address}/encoder.json').then((r) => r.status)`);
    await page.goto(own.address);
    expect(await record()).toBe(200);
    await exported('third');
    expect(await installed(page)).toBe(true);
    const tools = await page.context().newCDPSession(page);
    await tools.send('ServiceWorker.enable');
    await tools.send('ServiceWorker.skipWaiting', { scopeURL: `${own.address}/` });
    // A page that is reloaded while the worker takes over may wait for ever.
    const state = () =>
      page.evaluate(
        `navigator.serviceWorker.getRegistration().then((all) => !all.waiting && all.active.state)`,
      );
    await expect.poll(state, { timeout: 20_000 }).toBe('activated');
    const words = async () => (await page.reload({ timeout: 5000 })) && page.innerText('body');
    await expect.poll(words, { timeout: 20_000 }).toBe('third');
    foreign.state.status = 429;
    expect(await record()).toBe(200);
    foreign.state.isCut = true;
    expect(await record()).toBe(200);
  });

  it('leaves other pages of its origin alone', async () => {
    mkdirSync(join(site, 'other'));
    writeFileSync(join(site, 'other/page.html'), 'Another project');
    await page.goto(own.address);
    const response = await page.goto(`${own.address}/other/page.html`);
    expect(response?.fromServiceWorker()).toBe(false);
    expect(await page.evaluate('crossOriginIsolated')).toBe(false);
  });
});
