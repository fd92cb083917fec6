import { randomUUID } from 'node:crypto';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Command } from '../../src/studio/board.ts';
import { findingsOfAxe } from '../browser/axe.ts';
import { chromiumMissing, chromiumPath } from '../browser/chromium.ts';
import { leastContrast } from './contrast.ts';
import { overflowing } from './layout.ts';
import { type Colour, colourPicture, eventually, StudioProcess } from './story.ts';

const COLOURS: readonly Colour[] = ['red', 'green', 'blue'];
const CLASSES = 100;
const EACH = 10;

describe.skipIf(!chromiumPath)(`the studio with a hundred classes${chromiumMissing}`, () => {
  const studio = new StudioProcess();
  let page: Page;

  beforeAll(async () => {
    page = await studio.open();
    const classes = Array.from({ length: CLASSES }, (_, i) => ({ id: randomUUID(), name: `kind ${i}` }));
    const pictures = classes.flatMap(({ id: classId }, i) =>
      Array.from({ length: EACH + (i === 50 ? 2 : 0) }, async (_, j) =>
        studio.keep(`${i} ${j}.png`, await colourPicture(COLOURS[i % 3]!, 1000 * i + j), { classId }),
      ),
    );
    await studio.change(
      ...classes.map((one): Command => ({ do: 'add-class', ...one })),
      { do: 'add', pictures: await Promise.all(pictures) },
      { do: 'set', settings: { method: 'prototype', reject: 0 } },
    );
    await page.locator('.stage.done').waitFor({ timeout: 180_000 });
  }, 240_000);
  afterAll(() => studio.end());

  const names = () =>
    page
      .locator('.class-header .class-name')
      .evaluateAll((all: HTMLInputElement[]) => all.map(({ value }) => value));
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
    expect(await header.evaluate((one) => one.matches(':focus'))).toBe(true);
  });

  it('collapses a class, and all of them, and opens them again', async () => {
    await page.locator('#collect .scroller').evaluate((list) => {
      list.scrollTop = 0;
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
    const board = await studio.board();
    const [one, other] = [board.classes[50]!, board.classes[1]!];
    const moved = board.pictures.filter(({ classId }) => classId === one.id).map(({ hash }) => hash);
    await studio.change({ do: 'place', hashes: moved.slice(0, 3), classId: other.id });
    await eventually(() => page.locator('.class-header .count').first().innerText()).toBe(`${EACH - 1}`);
    expect((await names())[0]).toBe('kind 50');
    await studio.change({ do: 'place', hashes: moved.slice(0, 3), classId: one.id });
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

  it('has at most two tab stops in each class, down the whole list', async () => {
    const ids = (await studio.board()).classes.map(({ id }) => id);
    await page.getByRole('button', { name: 'Collapse all' }).focus();
    const stops: string[] = [];
    for (let isInside = true; isInside; ) {
      await page.keyboard.press('Tab');
      const id = await page.evaluate(
        () => document.activeElement?.closest<HTMLElement>('[data-class]')?.dataset.class,
      );
      isInside = id !== undefined;
      if (id) stops.push(id);
    }
    expect(stops).toEqual(ids.flatMap((id) => [id, id]));
  });

  it('has links that skip to a part', async () => {
    await page.reload();
    await page.locator('.stage.done').waitFor({ timeout: 60_000 });
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    const skip = page.getByRole('button', { name: 'Skip to Check' });
    expect((await skip.boundingBox())!.y).toBeGreaterThanOrEqual(0);
    await page.keyboard.press('Enter');
    await eventually(() => page.evaluate(() => document.activeElement?.id)).toBe('teach-heading');
  });

  it('is wide enough for its tools, without a finding of axe and with contrast, wide and narrow', async () => {
    for (const width of [1440, 1024, 390]) {
      await page.setViewportSize({ width, height: 844 });
      if (width < 900) await page.locator('.tabs button').first().click();
      await wanted().fill('kind 1');
      await eventually(told).toContain('of 100 classes');
      expect(await page.locator('html').evaluate((html) => html.scrollWidth)).toBe(width);
      expect(await overflowing(page)).toEqual([]);
      expect(await findingsOfAxe(page)).toEqual([]);
      expect(await leastContrast(page, '.find')).toEqual([]);
      if (process.env.STUDIO_SCREENSHOTS)
        await page.screenshot({ path: `${process.env.STUDIO_SCREENSHOTS}/many-${width}.png` });
      await wanted().fill('');
    }
  });
});
