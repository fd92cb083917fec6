import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { load } from '../../src/classifier/index.ts';
import { findingsOfAxe } from '../browser/axe.ts';
import { chromiumMissing, chromiumPath } from '../browser/chromium.ts';
import { colourEncoder } from './serve.ts';
import { colourFolder, colourPicture, eventually, StudioProcess } from './story.ts';

const EACH = 5;

describe.skipIf(!chromiumPath)(`the studio in Chromium${chromiumMissing}`, () => {
  const studio = new StudioProcess();
  let page: Page;
  const complaints: string[] = [];

  beforeAll(async () => {
    page = await studio.open({ cameras: 1 });
    // Violations of the page's policy and all other errors in it are collected here.
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error' && !/ERR_|Failed to load resource/.test(message.text()))
        complaints.push(message.text());
    });
    page.on('dialog', (dialog) => {
      complaints.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    await page.reload();
  });
  afterAll(() => studio.end());

  const header = (name: string) =>
    page.locator('.class-header', { has: page.getByLabel(`Take pictures of ${name} with`) });
  const countOf = (name: string) => header(name).locator('.count');
  const names = () =>
    page
      .locator('.class-header .class-name')
      .evaluateAll((all: HTMLInputElement[]) => all.map(({ value }) => value));
  const figure = () => page.locator('.score:not(.stale) .figure');
  const settled = () => page.locator('.stage.done').waitFor({ timeout: 45_000 });
  const text = async (locator: ReturnType<Page['locator']>) => (await locator.first().innerText()).trim();

  it('reads a folder of folders, and shows its accuracy on left-out pictures', async () => {
    expect(await findingsOfAxe(page)).toEqual([]);
    await page.locator('input[webkitdirectory]').setInputFiles(await colourFolder(studio.folder, EACH));
    await settled();
    expect((await names()).sort()).toEqual(['blue', 'green', 'red']);
    expect(await text(figure())).toMatch(/^[89]\d%/);
  });

  it('accepts a picture that is dropped on a class; reports files that it already has or that are not pictures', async () => {
    const fresh = (await colourPicture('blue', 50)).toString('base64');
    const known = (await colourPicture('blue', 0)).toString('base64');
    await header('blue').evaluate(
      (target, files) => {
        const data = new DataTransfer();
        for (const [name, bytes] of files)
          data.items.add(new File([Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))], name));
        target.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true }));
      },
      [
        ['fresh.png', fresh],
        ['again.png', known],
        ['<b>no picture</b>.png', btoa('hello')],
      ] as const,
    );
    await eventually(() => text(countOf('blue'))).toBe(String(EACH + 1));
    const notices = page.locator('.notices');
    await eventually(() => notices.innerText()).toContain('1 picture was here already');
    expect(await notices.innerText()).toContain('<b>no picture</b>.png');
    await page.locator('.notice button').first().click();
    await page.locator('.notice button').first().click();
  });

  it('shows confused classes, relabels a picture there, and undoes that', async () => {
    await settled();
    const cell = page.getByRole('button', { name: 'green taken for red: 1' });
    await cell.click();
    expect(await cell.getAttribute('aria-expanded')).toBe('true');
    const mixup = page.locator('.mixup[open]', { hasText: 'green taken for red' });
    expect(await mixup.getByRole('img').getAttribute('alt')).toBe('strayed.png');
    await mixup.getByRole('button', { name: 'It is red' }).click();
    await eventually(() => text(countOf('red'))).toBe(String(EACH + 1));
    await eventually(() => text(figure())).toMatch(/^100%/);
    await page.locator('.tools').getByRole('button', { name: 'Undo' }).click();
    await eventually(() => text(countOf('red'))).toBe(String(EACH));
    await page.getByRole('button', { name: 'Redo' }).click();
    await eventually(() => text(countOf('red'))).toBe(String(EACH + 1));
  });

  it('renames a class, escapes HTML in its name, and merges a class that gets the name of another', async () => {
    const wicked = '<img src=x onerror=alert(1)>';
    await header('green').locator('.class-name').fill(wicked);
    await page.keyboard.press('Enter');
    await eventually(names).toContain(wicked);
    await settled();
    await page.locator('.tools').getByRole('button', { name: 'Undo' }).click();
    await eventually(names).toContain('green');
    await header('green').locator('.class-name').fill('Red');
    await page.keyboard.press('Enter');
    await eventually(() => text(countOf('red'))).toBe(String(2 * EACH + 1));
    await page.keyboard.press('Control+z');
    await eventually(names).toContain('green');
    await header('green').locator('.class-name').fill('leaf');
    await page.keyboard.press('Enter');
    await eventually(names).toContain('leaf');
  });

  it('is unchanged after a reload', async () => {
    await page.reload();
    await eventually(names).toContain('leaf');
    expect(await text(countOf('red'))).toBe(String(EACH + 1));
    await settled();
  });

  it('reports that the program was killed, and continues when it is started again', async () => {
    await studio.kill();
    await eventually(() => page.locator('.notices').innerText()).toContain('does not answer');
    await studio.start();
    await eventually(() => page.locator('.notices').innerText()).not.toContain('does not');
    expect(await names()).toContain('leaf');
    await page.locator('.tools').getByRole('button', { name: 'Undo' }).click();
    await eventually(names).toContain('green');
    await page.getByRole('button', { name: 'Redo' }).click();
    await eventually(names).toContain('leaf');
  });

  it('takes bursts with the camera and keeps each together', async () => {
    await header('leaf')
      .getByRole('button', { name: /camera/ })
      .click();
    const hold = page.getByRole('button', { name: 'Hold to take pictures' });
    const video = page.locator('.camera video');
    await eventually(() => video.evaluate((element: HTMLVideoElement) => element.videoWidth)).toBeGreaterThan(
      0,
    );
    await hold.hover();
    await page.mouse.down();
    await page.waitForTimeout(900);
    await page.mouse.up();
    await page.getByRole('button', { name: 'Done' }).click();
    await eventually(async () => Number(await text(countOf('leaf')))).toBeGreaterThan(EACH);
    const { pictures } = await studio.board();
    const groups = pictures.flatMap(({ group }) => group ?? []);
    expect(groups.length).toBeGreaterThan(0);
    expect(new Set(groups).size).toBe(1);
    await page.locator('.tools').getByRole('button', { name: 'Undo' }).click();
    await eventually(() => text(countOf('leaf'))).toBe(String(EACH));
    await settled();
  });

  it('also opens the recognised pictures', async () => {
    await page.getByRole('button', { name: /^blue recognised: / }).click();
    await eventually(() => page.locator('.mixup[open] .recognised img').count()).toBeGreaterThan(1);
    await page.locator('.mixup[open] summary').click();
    await eventually(() => page.locator('.mixup[open]').count()).toBe(0);
  });

  it('selects and deletes by keyboard alone', async () => {
    const first = page.locator('.thumbnail').first();
    const before = await page.locator('.thumbnail').count();
    await first.focus();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press(' ');
    await eventually(() => page.locator('.selection').innerText()).toContain('1 selected');
    await page.keyboard.press('Delete');
    await eventually(() => page.locator('.thumbnail').count()).toBe(before - 1);
    await page.keyboard.press('Control+z');
    await eventually(() => page.locator('.thumbnail').count()).toBe(before);
  });

  let picture: string;
  let answer: { name: string; share: string };
  it('classifies and explains a picture, and answers "none of these" below the threshold', async () => {
    picture = join(studio.folder, 'new.png');
    writeFileSync(picture, await colourPicture('red', 70));
    await settled();
    await page.locator('#try-file').setInputFiles(picture);
    await eventually(() => text(page.locator('.verdict strong'))).toBe('red');
    expect(await page.locator('.nearest li').first().innerText()).toContain('red');
    answer = { name: 'red', share: await text(page.locator('.bars .number')) };
  });

  it('changes the constants by hand, and resets them to the tuned ones', async () => {
    await page.locator('#constants summary').click();
    await page.locator('#constants input').first().fill('0.9');
    await eventually(() => text(page.locator('#answering'))).toContain('set by hand');
    const surface = page.locator('svg.surface');
    await eventually(() => surface.locator('rect').count()).toBe(625);
    const before = await page.locator('#constants output').allInnerTexts();
    await surface.click({ position: { x: 150, y: 60 } });
    await eventually(() => page.locator('#constants output').allInnerTexts()).not.toEqual(before);
    await page.getByRole('button', { name: 'Back to the tuned values' }).click();
    await eventually(() => text(page.locator('#answering'))).not.toContain('set by hand');
    await settled();
  });

  it('has no finding of axe, of any severity, in light and dark', async () => {
    expect(await findingsOfAxe(page)).toEqual([]);
    await page.getByLabel('Colours').selectOption('dark');
    expect(await findingsOfAxe(page)).toEqual([]);
    await page.getByLabel('Colours').selectOption('auto');
  });

  it('exports a classifier file with the answers of the page', async () => {
    await settled();
    await eventually(() => text(page.locator('.verdict strong'))).toBe(answer.name);
    answer.share = await text(page.locator('.bars .number'));
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Download the classifier' }).click(),
    ]);
    mkdirSync(join(studio.folder, 'kept'));
    const file = join(studio.folder, 'kept', 'classifier.safetensors');
    await download.saveAs(file);
    const classifier = await load(file, { encoder: colourEncoder });
    const { predictions } = await classifier.predict([picture]);
    expect(predictions[0]!.name).toBe(answer.name);
    expect(`${Math.round(100 * predictions[0]!.probability)}%`).toBe(answer.share);
    expect(classifier.data.examples.every(({ thumbnail }) => thumbnail)).toBe(true);
    await classifier.close();
    const report = await (await fetch(`${studio.address}/api/report`)).text();
    expect(report).toContain('<!doctype html>');
  });

  it('exports everything as a zip, and imports it unchanged', async () => {
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'All pictures' }).click(),
    ]);
    const file = join(studio.folder, 'kept', 'pictures.zip');
    await download.saveAs(file);
    const board = async () => {
      const now = await studio.board();
      const nameOf = new Map(now.classes.map(({ id, name }) => [id, name]));
      return now.pictures.map(({ hash, name, classId = '' }) => [hash, name, nameOf.get(classId)]).sort();
    };
    const before = await board();
    for (const name of await names()) {
      await header(name)
        .getByRole('button', { name: /^More for/ })
        .click();
      await page.getByRole('menuitem', { name: /^Delete it with/ }).click();
    }
    await eventually(names).toEqual([]);
    await page.locator('input[accept*=zip]').first().setInputFiles(file);
    await eventually(board).toEqual(before);
    await settled();
  });

  it('classifies camera images', async () => {
    await page.getByRole('button', { name: 'Use camera' }).click();
    await page.locator('.verdict strong').waitFor();
    await page.getByRole('button', { name: 'Stop camera' }).click();
  });

  it('speaks Chinese, and still does after a reload', async () => {
    await page.getByLabel('Language').selectOption('zh');
    await eventually(() => text(page.locator('#collect-heading'))).toBe('收集');
    await page.reload();
    await eventually(() => text(page.locator('#collect-heading'))).toBe('收集');
    expect(await findingsOfAxe(page)).toEqual([]);
    await page.getByLabel('语言').selectOption('en');
  });

  it('fits a phone: one part at a time, nothing wider than the screen', async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    for (const [i, part] of ['#collect', '#teach', '#try'].entries()) {
      await page.locator('.tabs button').nth(i).click();
      expect(await page.locator('main > section:visible').count()).toBe(1);
      await page.locator(part).waitFor();
      expect(await page.locator('html').evaluate((html) => html.scrollWidth)).toBe(390);
    }
    expect(await findingsOfAxe(page)).toEqual([]);
  });

  it('refuses requests of other sites and under other host names', async () => {
    const ask = (headers: Record<string, string>) => fetch(`${studio.address}/api/board`, { headers });
    expect((await ask({ origin: 'http://evil.example' })).status).toBe(403);
    expect((await ask({ 'sec-fetch-site': 'cross-site' })).status).toBe(403);
    expect((await ask({})).headers.get('content-security-policy')).toContain("script-src 'self'");
    expect((await fetch(`${studio.address}/api/thumbnails/..%2fsession.jsonl`)).status).toBe(400);
  });

  it('has run no foreign script and logged no error', () => {
    expect(complaints).toEqual([]);
  });
});
