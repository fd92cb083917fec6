import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { load } from '../../src/classifier/index.ts';
import { loadEncoder } from '../../src/encoder/load.ts';
import { writeSmallEncoder } from '../../src/encoder/small-encoder.fixture.ts';
import { sharedEngine } from '../../src/engine/shared.ts';
import { exportStudio } from '../../src/studio/index.ts';
import { chromiumMissing, chromiumPath, launchChromium } from '../browser/chromium.ts';
import { serveFolders } from '../browser/serve.ts';
import { sharedPage } from '../build-page.ts';
import { colourFolder, colourPicture, eventually, sampleFolder, TEN } from './story.ts';

/** Pictures of each of ten colours. One red picture more is among the green ones. */
const EACH = 20;
const ALL = 10 * EACH + 1;

describe.skipIf(!chromiumPath)(`the studio without a program, in Chromium${chromiumMissing}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'studio-site-'));
  const complaints: string[] = [];
  let server: Awaited<ReturnType<typeof serveFolders>>;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    await writeSmallEncoder(join(folder, 'encoder'));
    const built = await sharedPage('studio/web');
    await exportStudio(join(folder, 'site'), {
      encoder: join(folder, 'encoder'),
      page: built,
      samples: await sampleFolder(folder),
    });
    server = await serveFolders({ '/studio': join(folder, 'site') });
    browser = await launchChromium([
      '--disable-gpu',
      '--js-flags=--expose-gc',
      '--use-fake-device-for-media-stream',
    ]);
    // High enough for all classes, because the page renders those in sight only.
    const context = await browser.newContext({ viewport: { width: 1440, height: 5000 }, locale: 'en-GB' });
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
  const has = (count: number) => page.getByText(`${count} pictures in 10 classes`);
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

  /** Changes journals, which the worker of a page that was left may hold a little longer. */
  const whenReleased = (change: () => Promise<void>) => vi.waitFor(change, { timeout: 10_000 });

  /** The page of another person, who does not download the encoder. */
  const anotherPage = async () => {
    const other = await browser.newPage({ locale: 'en-GB' });
    await other.goto(`${server.address}/studio/index.html`);
    await other.locator('.offer').getByRole('button', { name: 'Not now' }).click();
    return { other, input: other.locator('input[accept*=zip]') };
  };

  it('shows the transparent part of a cropped picture white, as all pictures are shown', async () => {
    const { other, input } = await anotherPage();
    const create = { width: 60, height: 40, channels: 4, background: '#ff000000' } as const;
    const buffer = await sharp({ create }).png().toBuffer();
    await input.last().setInputFiles({ name: 'clear.png', mimeType: 'image/png', buffer });
    await other.getByTitle('clear.png').focus();
    await other.keyboard.press('Enter');
    await other.getByRole('button', { name: 'Crop' }).click();
    await other.getByRole('button', { name: 'Keep this part' }).click();
    const image = other.locator('.framed img');
    await eventually(() => image.evaluate((one: HTMLImageElement) => one.naturalWidth)).toBe(40);
    const colour = await image.evaluate((one: HTMLImageElement) => {
      const context = document.createElement('canvas').getContext('2d')!;
      context.drawImage(one, 0, 0);
      return [...context.getImageData(5, 5, 1, 1).data];
    });
    expect(colour).toEqual([255, 255, 255, 255]);
    await other.close();
  });

  it('makes a new project if all are damaged, and saves the pictures of the others', async () => {
    const { other, input } = await anotherPage();
    const png = async (i: number) => ({
      name: `${i}.png`,
      mimeType: 'image/png',
      buffer: await colourPicture('red', i),
    });
    await input.last().setInputFiles([await png(1), await png(2)]);
    await eventually(() => other.locator('.thumbnail').count()).toBe(2);
    await other.goto(`${server.address}/studio/icon.svg`);
    await whenReleased(() =>
      other.evaluate(async () => {
        for await (const [, folder] of await navigator.storage.getDirectory()) {
          const journal = await (folder as FileSystemDirectoryHandle).getFileHandle('session.jsonl');
          await (await journal.createWritable()).close();
        }
      }),
    );
    for (let start = 0; start < 2; start++) {
      await other.goto(`${server.address}/studio/index.html`);
      await other.locator('.start').waitFor();
    }
    await other.goto(`${server.address}/studio/index.html`);
    await other.getByRole('button', { name: 'Projects' }).click();
    await eventually(() => other.getByRole('menuitem').count()).toBe(4);
    const [download] = await Promise.all([
      other.waitForEvent('download'),
      other.getByRole('menuitem', { name: 'Project first cannot be read' }).click(),
    ]);
    const file = join(folder, download.suggestedFilename());
    await download.saveAs(file);
    await input.last().setInputFiles(file);
    await eventually(() => other.locator('.thumbnail').count()).toBe(2);
    expect(await other.locator('.thumbnail').first().getAttribute('title')).toMatch(/^picture \d\.png$/);
    await other.close();
  });

  it('asks before it downloads the encoder', async () => {
    await page.locator('.offer').getByRole('button', { name: 'Download' }).click();
    await eventually(() =>
      page.evaluate("caches.open('tip-adapter').then((c) => c.keys()).then((k) => k.length)"),
    ).toBe(3);
    // The service worker isolates the page, so that the runtime may use threads.
    expect(await page.evaluate('crossOriginIsolated')).toBe(true);
    // Everything from here on happens with the network off.
    await server.close();
  });

  it(`imports ${ALL} pictures in 10 classes, also while garbage is collected, learns them, and tests it`, async () => {
    await page.locator('input[webkitdirectory]').setInputFiles(await colourFolder(folder, EACH, TEN));
    await expect
      .poll(
        async () => {
          await page.workers()[0]!.evaluate('gc()');
          return has(ALL).count();
        },
        { timeout: 60_000, interval: 50 },
      )
      .toBe(1);
    await page.getByLabel('Method').selectOption('tip-adapter');
    await settled();
    expect(await text(page.locator('.score .figure'))).toMatch(/^[89]\d%/);
    const thumbnails = page.locator('.thumbnail img');
    await eventually(() =>
      thumbnails.evaluateAll((all) => all.every((image) => (image as HTMLImageElement).naturalWidth > 0)),
    ).toBe(true);
    expect(await thumbnails.count()).toBe(ALL);
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

  it('takes bursts with the camera', async () => {
    await page.context().grantPermissions(['camera']);
    await header('red')
      .getByRole('button', { name: /camera/ })
      .click();
    const hold = page.getByRole('button', { name: 'Hold to take pictures' });
    const video = page.locator('.camera video');
    await eventually(() => video.evaluate((element: HTMLVideoElement) => element.videoWidth)).toBeGreaterThan(
      0,
    );
    await hold.hover();
    await page.mouse.down();
    await page.locator('.camera [role=status]', { hasText: /[2-9]/ }).waitFor();
    await page.mouse.up();
    await page.getByRole('button', { name: 'Done' }).click();
    await eventually(async () => Number(await countOf('red'))).toBeGreaterThan(EACH + 2);
    await undo();
    await eventually(() => countOf('red')).toBe(String(EACH + 1));
  });

  it('says in the language of the page that the camera is refused, and loses nothing', async () => {
    await page.context().clearPermissions();
    await header('red')
      .getByRole('button', { name: /camera/ })
      .click();
    await eventually(() => text(page.locator('.camera .problem'))).toContain('The camera may not be used');
    await page.getByRole('button', { name: 'Done' }).click();
    await page.getByLabel('Language').selectOption('zh');
    await page.getByRole('button', { name: '使用摄像头' }).click();
    await eventually(notices).toContain('未获准使用摄像头');
    await page.getByLabel('语言').selectOption('en');
    await page.locator('.notice button').first().click();
    expect(await countOf('red')).toBe(String(EACH + 1));
    await page.context().grantPermissions(['camera']);
    await page.getByRole('button', { name: 'Use camera' }).click();
    await page.locator('.verdict strong').waitFor();
    await page.getByRole('button', { name: 'Stop camera' }).click();
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
  });

  it('saves an ONNX model that gives the same answer', async () => {
    await settled();
    const ort = await import('onnxruntime-node');
    const model = await ort.InferenceSession.create(await saved('ONNX model'));
    const side = 32;
    const { data } = await sharp(tried)
      .resize(side, side, { kernel: 'cubic' })
      .raw()
      .toBuffer({ resolveWithObject: true });
    const pixels = new ort.Tensor('uint8', new Uint8Array(data), [1, side, side, 3]);
    const { probabilities } = await model.run({ pixels });
    const best = Math.max(...(probabilities!.data as Float32Array));
    expect(Math.abs(100 * best - Number.parseFloat(answer))).toBeLessThan(2);
    await model.release();
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
    await has(ALL + 1).waitFor();
    const before = await storedFiles();
    await undo();
    await has(ALL).waitFor();
    await page.getByRole('button', { name: 'Remove deleted pictures for good' }).click();
    await eventually(notices).toContain('freed');
    const pictures = (paths: string[]) => paths.filter((path) => /pictures/.test(path)).length;
    // Also the burst that was undone is removed.
    expect(pictures(before)).toBeGreaterThan(ALL);
    expect(pictures(await storedFiles())).toBe(ALL);
    expect(await page.locator('.tools').getByRole('button', { name: 'Undo' }).isDisabled()).toBe(true);
    await settled();
  });

  const open = async (project: RegExp | string) => {
    await page.getByRole('button', { name: 'Projects' }).click();
    await page.getByRole('menuitem', { name: project }).first().click();
  };

  it('begins with the sample pictures, and answers for another artist', async () => {
    await open('New project');
    await page.getByRole('button', { name: 'Try it with sample pictures' }).click();
    await page.getByText('36 pictures in 12 classes').waitFor();
    await page.locator('.samples button').nth(1).click();
    await page.locator('.verdict strong').waitFor();
  });

  it('saves all pictures as a zip, and gets the same board from it in another project', async () => {
    const zip = await saved('All pictures');
    await open('New project');
    await page.locator('.start').waitFor();
    await page.locator('input[accept*=zip]').last().setInputFiles(zip);
    await page.getByText('36 pictures in 12 classes').waitFor();
    expect(await countOf('guitar')).toBe('3');
    await open(/Untitled/);
    await has(ALL).waitFor();
  });

  it('is open in one tab at a time', async () => {
    const other = await page.context().newPage();
    await other.goto(page.url());
    await eventually(() => other.locator('.notices').innerText()).toContain('another tab');
    await other.close();
  });

  it('ignores a change whose writing was interrupted', async () => {
    await page.goto(`${server.address}/studio/icon.svg`);
    await whenReleased(() =>
      page.evaluate(async () => {
        for await (const [, folder] of await navigator.storage.getDirectory()) {
          const handle = await (folder as FileSystemDirectoryHandle).getFileHandle('session.jsonl');
          const file = await handle.createWritable({ keepExistingData: true });
          await file.seek((await handle.getFile()).size);
          await file.write('{"command":{"do":"discard","has');
          await file.close();
        }
      }),
    );
    await page.goto(`${server.address}/studio/index.html`);
    await eventually(() => countOf('red')).toBe(String(EACH + 1));
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
    expect(complaints).toEqual([]);
  });
});
