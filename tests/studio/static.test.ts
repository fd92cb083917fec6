import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { load } from '../../src/classifier/index.ts';
import { loadEncoder } from '../../src/encoder/load.ts';
import { writeSmallEncoder } from '../../src/encoder/small-encoder.fixture.ts';
import { sharedEngine } from '../../src/engine/shared.ts';
import { exportStudio } from '../../src/studio/index.ts';
import { chromiumMissing, chromiumPath, launchChromium } from '../browser/chromium.ts';
import { serveFolders } from '../browser/serve.ts';
import { sharedPage } from './build-page.ts';
import { colourFolder, colourPicture, eventually } from './story.ts';

/** Pictures of each colour. One red picture is among the green ones. */
const EACH = 4;

describe.skipIf(!chromiumPath)(`the studio without a program, in Chromium${chromiumMissing}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'studio-site-'));
  const complaints: string[] = [];
  let server: Awaited<ReturnType<typeof serveFolders>>;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    await writeSmallEncoder(join(folder, 'encoder'));
    const built = await sharedPage();
    await exportStudio(join(folder, 'site'), { encoder: join(folder, 'encoder'), page: built });
    server = await serveFolders({ '/studio': join(folder, 'site') });
    browser = await launchChromium(['--disable-gpu', '--js-flags=--expose-gc']);
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: 'en-GB' });
    page = await context.newPage();
    page.setDefaultTimeout(30_000);
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => {
      // The browser asks for this icon when only a picture is shown.
      const { url } = message.location();
      if (message.type() === 'error' && !url.endsWith('favicon.ico'))
        complaints.push(`${message.text()} ${url}`);
    });
    await page.goto(`${server.address}/studio/index.html`);
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close().catch(() => {});
    rmSync(folder, { recursive: true, force: true });
  });

  const header = (name: string) =>
    page.locator('.class-header', { has: page.getByLabel(`Take pictures of ${name} with`) });
  const text = async (locator: ReturnType<Page['locator']>) => (await locator.first().innerText()).trim();
  const countOf = (name: string) => text(header(name).locator('.count'));
  const notices = () => page.locator('.notices').innerText();
  const settled = () => page.locator('.stage.done').waitFor();
  const undo = () => page.locator('.tools').getByRole('button', { name: 'Undo' }).click();
  const saved = async (name: string) => {
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.locator('#keep').getByRole('button', { name }).click(),
    ]);
    const file = join(folder, download.suggestedFilename());
    await download.saveAs(file);
    return file;
  };
  const add = async (name: string, picture: Buffer) =>
    page
      .locator('input[accept*=zip]')
      .first()
      .setInputFiles({ name, mimeType: 'image/png', buffer: picture });

  /** The paths of all files in the browser's storage for the page, but for features, which are written while others are read. */
  const storedFiles = () =>
    page.evaluate(async () => {
      const paths: string[] = [];
      const walk = async (folder: FileSystemDirectoryHandle, at: string): Promise<void> => {
        for await (const [name, handle] of folder)
          if (handle instanceof FileSystemFileHandle) paths.push(at + name);
          else if (name !== 'features') await walk(handle as FileSystemDirectoryHandle, `${at}${name}/`);
      };
      await walk(await navigator.storage.getDirectory(), '');
      return paths.sort();
    });

  it('asks before it downloads the encoder, learns a folder, and tests it', async () => {
    await page.locator('.offer').getByRole('button', { name: 'Download' }).click();
    await page.locator('input[webkitdirectory]').setInputFiles(await colourFolder(folder, EACH));
    await page.getByLabel('Method').selectOption('tip-adapter');
    await settled();
    expect(await text(page.locator('.score .figure'))).toMatch(/^[89]\d%/);
    const thumbnails = page.locator('.thumbnail img');
    await eventually(() =>
      thumbnails.evaluateAll((all) => all.every((image) => (image as HTMLImageElement).naturalWidth > 0)),
    ).toBe(true);
    expect(await thumbnails.count()).toBe(3 * EACH + 1);
    // The service worker isolates the page, so that the runtime may use threads.
    expect(await page.evaluate('crossOriginIsolated')).toBe(true);
  });

  it('relabels from the matrix, renames, undoes, and is unchanged after a reload', async () => {
    await page.getByRole('button', { name: 'green taken for red: 1' }).click();
    await page.locator('.mixup[open]').getByRole('button', { name: 'It is red' }).click();
    await eventually(() => countOf('red')).toBe(String(EACH + 1));
    await undo();
    await eventually(() => countOf('red')).toBe(String(EACH));
    await page.getByRole('button', { name: 'Redo' }).click();
    await header('green').locator('.class-name').fill('leaf');
    await page.keyboard.press('Enter');
    await header('leaf').waitFor();
    await page.reload();
    await eventually(() => countOf('leaf')).toBe(String(EACH));
    expect(await countOf('red')).toBe(String(EACH + 1));
    await settled();
    await undo();
    await header('green').waitFor();
  });

  let answer: string;
  const tried = join(folder, 'new.png');
  it('classifies and explains a picture', async () => {
    writeFileSync(tried, await colourPicture('red', 70));
    await settled();
    await page.locator('#try-file').setInputFiles(tried);
    await eventually(() => text(page.locator('.verdict strong'))).toBe('red');
    answer = await text(page.locator('.bars .number'));
    expect(await text(page.locator('.nearest li'))).toContain('red');
  });

  it('saves a classifier that gives the same answer elsewhere, a report and a model card', async () => {
    await settled();
    const encoder = await loadEncoder(join(folder, 'encoder'), { engine: sharedEngine() });
    const classifier = await load(await saved('Download the classifier'), { encoder });
    const { predictions } = await classifier.predict([tried]);
    expect(predictions[0]!.name).toBe('red');
    expect(`${Math.round(100 * predictions[0]!.probability)}%`).toBe(answer);
    expect(classifier.data.examples.every(({ thumbnail }) => thumbnail)).toBe(true);
    await classifier.close();
    await encoder.close();
    expect(await saved('Report')).toMatch(/-report\.html$/);
    expect(await saved('Model card')).toMatch(/\.md$/);
    expect(await page.getByRole('button', { name: 'ONNX model' }).count()).toBe(0);
  });

  it('saves all pictures as a zip, and gets the same board from it in another project', async () => {
    const zip = await saved('All pictures');
    await page.getByRole('button', { name: 'Projects' }).click();
    await page.getByRole('menuitem', { name: 'New project' }).click();
    await page.locator('.start').waitFor();
    await page.locator('input[accept*=zip]').last().setInputFiles(zip);
    await eventually(() => countOf('red')).toBe(String(EACH + 1));
    expect(await countOf('green')).toBe(String(EACH));
    await page.getByRole('button', { name: 'Projects' }).click();
    await page
      .getByRole('menuitem', { name: /Untitled/ })
      .first()
      .click();
    await eventually(() => page.locator('.project .class-name').inputValue()).toBe('');
    await settled();
  });

  it('imports 200 pictures in 10 classes, also while garbage is collected', async () => {
    const top = join(folder, 'many');
    const picture = await colourPicture('blue', 1);
    for (let i = 0; i < 200; i++) {
      const own = join(top, `class ${i % 10}`);
      mkdirSync(own, { recursive: true });
      // The bytes after the end of a PNG make each picture another one, without encoding 200 of them.
      writeFileSync(join(own, `${i}.png`), Buffer.concat([picture, Buffer.of(i)]));
    }
    const context = await browser.newContext({ locale: 'en-GB' });
    const other = await context.newPage();
    await other.goto(`${server.address}/studio/index.html`);
    await other.locator('.offer').getByRole('button', { name: 'Download' }).click();
    await other.locator('input[webkitdirectory]').setInputFiles(top);
    await expect
      .poll(
        async () => {
          await other.workers()[0]!.evaluate('gc()');
          return other.getByText('200 pictures in 10 classes').count();
        },
        { timeout: 60_000, interval: 20 },
      )
      .toBe(1);
    await context.close();
  });

  it('says when the browser has no more room, removes what did not fit, and loses nothing', async () => {
    const tools = await page.context().newCDPSession(page);
    const origin = server.address;
    const before = await storedFiles();
    await tools.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 1 });
    await add('more.png', await colourPicture('blue', 80));
    await eventually(notices).toContain('1 file was not added');
    expect(await notices()).toContain('no more room');
    expect(await countOf('blue')).toBe(String(EACH));
    await page.locator('.notice button').first().click();
    await page.getByRole('button', { name: 'Projects' }).click();
    await page.getByRole('menuitem', { name: 'Duplicate this project' }).click();
    await eventually(notices).toContain('no more room');
    expect(await storedFiles()).toEqual(before);
    await tools.send('Storage.overrideQuotaForOrigin', { origin });
    await page.reload();
    await eventually(() => countOf('blue')).toBe(String(EACH));
    // This browser has not promised to keep the pictures.
    expect(await text(page.locator('.footnote'))).toContain('All pictures (zip)');
  });

  it('removes deleted pictures for good when asked', async () => {
    await add('more.png', await colourPicture('blue', 80));
    await eventually(() => page.locator('.thumbnail').count()).toBe(3 * EACH + 2);
    const before = await storedFiles();
    await undo();
    await eventually(() => page.locator('.thumbnail').count()).toBe(3 * EACH + 1);
    await page.getByRole('button', { name: 'Remove deleted pictures for good' }).click();
    await eventually(notices).toContain('freed');
    const pictures = (paths: string[]) => paths.filter((path) => /pictures/.test(path)).length;
    expect(pictures(await storedFiles())).toBe(pictures(before) - 1);
    expect(await page.locator('.tools').getByRole('button', { name: 'Undo' }).isDisabled()).toBe(true);
    await settled();
  });

  it('is open in one tab at a time', async () => {
    const other = await page.context().newPage();
    await other.goto(page.url());
    await eventually(() => other.locator('.notices').innerText()).toContain('another tab');
    await other.close();
  });

  it('ignores a change whose writing was interrupted', async () => {
    await page.goto(`${server.address}/studio/icon.svg`);
    await page.evaluate(async () => {
      for await (const [, folder] of await navigator.storage.getDirectory()) {
        const handle = await (folder as FileSystemDirectoryHandle).getFileHandle('session.jsonl');
        const file = await handle.createWritable({ keepExistingData: true });
        await file.seek((await handle.getFile()).size);
        await file.write('{"command":{"do":"discard","has');
        await file.close();
      }
    });
    await page.goto(`${server.address}/studio/index.html`);
    await eventually(() => countOf('red')).toBe(String(EACH + 1));
  });

  it('works without a network', async () => {
    await server.close();
    await page.reload();
    await eventually(() => countOf('red')).toBe(String(EACH + 1));
    await add('late.png', await colourPicture('blue', 81));
    await eventually(() => page.locator('.thumbnail').count()).toBe(3 * EACH + 2);
    await settled();
    await page.locator('#try-file').setInputFiles(tried);
    await eventually(() => text(page.locator('.verdict strong'))).toBe('red');
    await page.reload();
    await eventually(() => page.locator('.thumbnail').count()).toBe(3 * EACH + 2);
  });

  it('says that a part of the site is missing', async () => {
    cpSync(join(folder, 'site'), join(folder, 'half'), { recursive: true });
    rmSync(join(folder, 'half/runtime/ort-wasm-simd-threaded.wasm'));
    const half = await serveFolders({ '/half': join(folder, 'half') });
    const other = await page.context().newPage();
    await other.goto(`${half.address}/half/index.html`);
    await eventually(() => other.locator('body').innerText()).toContain('missing on its host');
    await half.close();
  });

  it('has logged no error', () => {
    expect(complaints.filter((line) => !/ERR_CONNECTION_REFUSED/.test(line))).toEqual([]);
  });
});
