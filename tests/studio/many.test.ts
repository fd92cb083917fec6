import { randomUUID } from 'node:crypto';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BoardJson, BoardPicture, Command } from '../../src/studio/board.ts';
import { chromiumMissing, chromiumPath, launchChromium } from '../browser/chromium.ts';
import { leastContrast } from './contrast.ts';
import { type Colour, colourPicture, findingsOfAxe, StudioProcess } from './story.ts';

const eventually = <T>(seen: () => Promise<T>) => expect.poll(seen, { timeout: 30_000, interval: 50 });
const COLOURS: readonly Colour[] = ['red', 'green', 'blue'];
const CLASSES = 100;
const EACH = 10;

describe.skipIf(!chromiumPath)(`the studio with a hundred classes${chromiumMissing}`, () => {
  const studio = new StudioProcess();
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    await studio.prepare();
    await studio.start();
    const classes = Array.from({ length: CLASSES }, (_, i) => ({ id: randomUUID(), name: `kind ${i}` }));
    const pictures: BoardPicture[] = [];
    for (const [i, { id }] of classes.entries()) {
      const colour = COLOURS[i % 3]!;
      for (let j = 0; j < EACH + (i === 50 ? 2 : 0); j++)
        pictures.push(await keep(`${i} ${j}.png`, await colourPicture(colour, 1000 * i + j), id));
    }
    await change(...classes.map((one): Command => ({ do: 'add-class', ...one })), { do: 'add', pictures });
    browser = await launchChromium(['--disable-gpu']);
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: 'en-GB' });
    page = await context.newPage();
    page.setDefaultTimeout(15_000);
    await page.goto(studio.address);
    await change({ do: 'set', settings: { method: 'prototype', reject: 0 } });
    await page.locator('.stage.done').waitFor({ timeout: 90_000 });
  }, 240_000);
  afterAll(async () => {
    await browser?.close();
    await studio.end();
  });

  const read = async () =>
    (await (await fetch(`${studio.address}/api/board`)).json()) as { version: number; board: BoardJson };
  async function change(...commands: Command[]): Promise<void> {
    const { version } = await read();
    const response = await fetch(`${studio.address}/api/changes`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ version, changes: commands.map((command) => ({ command })) }),
    });
    expect(response.status).toBe(200);
  }
  async function keep(name: string, picture: Buffer, classId: string): Promise<BoardPicture> {
    const kept = await fetch(`${studio.address}/api/pictures?name=${encodeURIComponent(name)}`, {
      method: 'POST',
      body: picture as Buffer<ArrayBuffer>,
    });
    return { ...((await kept.json()) as { hash: string }), name, classId };
  }
  const names = () =>
    page
      .locator('.class-header .class-name')
      .evaluateAll((all) => all.map((input) => (input as unknown as { value: string }).value));
  const told = () => page.locator('.find p').innerText();
  const wanted = () => page.getByLabel('Find a class');
  const sort = async (by: string) => {
    await page.getByRole('button', { name: 'Sort', exact: true }).click();
    await page.getByRole('menuitem', { name: by }).click();
  };

  it('finds classes by name, states which part of the board is shown, and goes to one of them', async () => {
    await wanted().click();
    await page.keyboard.type('KIND 7');
    await eventually(names).toEqual(
      ['kind 7', ...Array.from({ length: 10 }, (_, i) => `kind 7${i}`)].slice(0, (await names()).length),
    );
    expect(await told()).toContain('110 of 1,002 pictures, 11 of 100 classes');
    await page.keyboard.press('Enter');
    await eventually(async () => (await names()).length).toBeLessThan(CLASSES);
    await eventually(names).toContain('kind 8');
    expect(await page.locator('.find p').innerText()).toBe('');
    const header = page.locator('.class-header', { has: page.getByLabel('Take pictures of kind 7 with') });
    expect(
      await header.evaluate((one) => (one as unknown as { matches(s: string): boolean }).matches(':focus')),
    ).toBe(true);
  });

  it('collapses a class, and all of them, and opens them again', async () => {
    await page.locator('#collect .scroller').evaluate((list) => {
      (list as unknown as { scrollTop: number }).scrollTop = 0;
    });
    const toggle = page.getByRole('button', { name: 'Pictures of kind 0', exact: true });
    const first = page.locator('.thumbnail').first();
    const label = () => first.getAttribute('aria-label');
    await eventually(label).toBe('0 0.png, kind 0');
    await toggle.click();
    await eventually(label).toBe('1 0.png, kind 1');
    expect(await toggle.getAttribute('aria-expanded')).toBe('false');
    await page.getByRole('button', { name: 'Collapse all' }).click();
    await eventually(() => page.locator('.thumbnail').count()).toBe(0);
    expect((await names()).length).toBeGreaterThan(10);
    await page.getByRole('button', { name: 'Open all' }).click();
    await eventually(label).toBe('0 0.png, kind 0');
  });

  it('sorts by name, size and mistakes, and keeps the places while pictures move', async () => {
    await sort('Largest first');
    await eventually(async () => (await names())[0]).toBe('kind 50');
    const { board } = await read();
    const [one, other] = [board.classes[50]!, board.classes[1]!];
    const moved = board.pictures.filter(({ classId }) => classId === one.id).map(({ hash }) => hash);
    await change({ do: 'place', hashes: moved.slice(0, 6), classId: other.id });
    await eventually(() => page.locator('.class-header .count').first().innerText()).toBe('6');
    expect((await names())[0]).toBe('kind 50');
    await change({ do: 'place', hashes: moved.slice(0, 6), classId: one.id });
    await page.locator('.stage.done').waitFor({ timeout: 60_000 });
    await sort('Most mistakes first');
    const [worst] = await names();
    const report = (await (await fetch(`${studio.address}/api/check`)).json()) as {
      classes: { name: string }[];
      perClass: { correct: number; total: number }[];
    };
    const errors = report.perClass.map(({ correct, total }) => 1 - correct / total);
    expect(errors[report.classes.findIndex(({ name }) => name === worst)]).toBe(Math.max(...errors));
    await sort('In the order they were made');
    await eventually(async () => (await names())[0]).toBe('kind 0');
  });

  it('shows only unsure pictures, and never deletes one unseen', async () => {
    await page.locator('.thumbnail').first().click();
    await page.locator('.selection').waitFor();
    await page.getByRole('button', { name: 'Clear the selection' }).waitFor();
    await page.getByLabel('Which pictures').selectOption('unsure');
    await eventually(() => page.locator('.selection').count()).toBe(0);
    const text = await told();
    const [, shown = ''] = /Shown: ([\d,]+) of 1,002/.exec(text) ?? [];
    const report = (await (await fetch(`${studio.address}/api/check`)).json()) as {
      answers: { probability: number }[];
    };
    const unsure = report.answers.filter(({ probability }) => probability < 0.5).length;
    expect(Number(shown.replace(',', ''))).toBe(unsure);
    expect(unsure).toBeGreaterThan(0);
    expect(text).toContain('of the latest test');
    expect(await page.locator('.class-header .count').first().innerText()).toMatch(/^\d+( \/ \d+)?$/);
    await page.getByRole('button', { name: 'Show all', exact: true }).click();
    await eventually(() => page.locator('.find p').innerText()).toBe('');
  });

  it('has links that skip to a part', async () => {
    await page.reload();
    await page.locator('.stage.done').waitFor({ timeout: 60_000 });
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    const skip = page.getByRole('button', { name: 'Skip to Check' });
    expect((await skip.boundingBox())!.y).toBeGreaterThanOrEqual(0);
    await page.keyboard.press('Enter');
    await eventually(() =>
      page.evaluate(
        () =>
          (globalThis as unknown as { document: { activeElement: { id: string } } }).document.activeElement
            .id,
      ),
    ).toBe('teach-heading');
  });

  it('is wide enough for its tools, without a finding of axe and with contrast, wide and narrow', async () => {
    for (const width of [1440, 1024, 390]) {
      await page.setViewportSize({ width, height: 844 });
      if (width < 900) await page.locator('.tabs button').first().click();
      await wanted().fill('kind 1');
      await eventually(told).toContain('of 100 classes');
      expect(await page.locator('html').evaluate((html) => html.scrollWidth)).toBe(width);
      expect(await findingsOfAxe(page)).toEqual([]);
      expect(await leastContrast(page, '.find')).toEqual([]);
      if (process.env.STUDIO_SCREENSHOTS)
        await page.screenshot({ path: `${process.env.STUDIO_SCREENSHOTS}/many-${width}.png` });
      await wanted().fill('');
    }
  });
});
