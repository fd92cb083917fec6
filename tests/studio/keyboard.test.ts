import { randomUUID } from 'node:crypto';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Command } from '../../src/studio/board.ts';
import { findingsOfAxe } from '../browser/axe.ts';
import { chromiumMissing, chromiumPath } from '../browser/chromium.ts';
import { colourPicture, eventually, StudioProcess } from './story.ts';

type Colour = 'red' | 'green' | 'blue';

describe.skipIf(!chromiumPath)(`the studio by keyboard and by touch${chromiumMissing}`, () => {
  const studio = new StudioProcess();
  let page: Page;
  const ids: Record<Colour, string> = { red: randomUUID(), green: randomUUID(), blue: randomUUID() };
  /** Hashes by colour, in the order of the page. */
  const hashes: Record<Colour, string[]> = { red: [], green: [], blue: [] };

  beforeAll(async () => {
    page = await studio.open({ cameras: 1 });
    for (const colour of Object.keys(ids) as Colour[]) {
      await change({ do: 'add-class', id: ids[colour], name: colour });
      for (let i = 0; i < 9; i++) await add(colour, i, ids[colour]);
    }
    await page.locator('.stage.done').waitFor({ timeout: 45_000 });
  });
  afterAll(() => studio.end());

  const change = (...commands: Command[]) => studio.change(...commands);
  async function add(colour: Colour, number: number, classId?: string, group?: string): Promise<string> {
    const picture = await colourPicture(colour, number);
    const hash = await studio.add(`${colour} ${number}.png`, picture, { classId, group });
    if (classId === ids[colour]) hashes[colour].push(hash);
    return hash;
  }

  const press = async (...keys: string[]) => {
    for (const key of keys) await page.keyboard.press(key);
  };
  /** The focused element: its place among the pictures, its name, or its kind. */
  const focus = () =>
    page.evaluate(() => {
      const element = document.activeElement as HTMLElement;
      return element.dataset.place ?? element.ariaLabel ?? (element.innerText.trim() || element.tagName);
    });
  const thumbnail = (hash: string) => page.locator(`[data-place="${hash}"]`);
  const count = async (colour: Colour) =>
    (await studio.board()).pictures.filter(({ classId }) => classId === ids[colour]).length;
  const selected = async () =>
    (await page.locator('.selection').count()) === 0
      ? 0
      : Number.parseInt(await page.locator('.selection span').first().innerText(), 10);

  const name = (colour: Colour) => `name ${ids[colour]}`;
  const header = (colour: Colour) => `class ${ids[colour]}`;
  /** Asserts the pictures of each class in the page and in the program. */
  const holds = async (colour: Colour, n: number) => {
    await eventually(() => count(colour)).toBe(n);
    await eventually(() => page.locator(`[data-place="${header(colour)}"] .count`).innerText()).toBe(`${n}`);
  };
  const undone = async (colour: Colour, n: number) => {
    await page.locator('.tools').getByRole('button', { name: 'Undo' }).click();
    await holds(colour, n);
  };
  const scrollTo = (top: number) =>
    page.locator('#collect .scroller').evaluate((list, y) => {
      list.scrollTop = y;
    }, top);

  it('has one tab stop in each class; arrow keys, Home and End move inside', async () => {
    await thumbnail(hashes.red[0]!).focus();
    await press('ArrowRight', 'ArrowRight');
    expect(await focus()).toBe(hashes.red[2]);
    await press('End');
    expect(await focus()).toBe(hashes.red[8]);
    await press('ArrowDown');
    expect(hashes.green).toContain(await focus());
    await press('ArrowUp');
    expect(hashes.red).toContain(await focus());
    await press('Home');
    expect(await focus()).toBe(hashes.red[0]);
    await press('Tab');
    expect(await focus()).toBe(name('green'));
    await press('Shift+Tab');
    expect(await focus()).toBe(hashes.red[0]);
  });

  it('selects ranges, a whole class and bursts; Escape clears the selection', async () => {
    await thumbnail(hashes.red[1]!).click();
    await thumbnail(hashes.red[6]!).click({ modifiers: ['Shift'] });
    expect(await selected()).toBe(6);
    await press('Shift+ArrowRight');
    expect(await selected()).toBe(7);
    await press('Escape');
    expect(await selected()).toBe(0);
    expect(await focus()).toBe(hashes.red[7]);
    await press('Control+a');
    expect(await selected()).toBe(9);
    await press('Escape');

    const own: string[] = [];
    for (const number of [70, 71, 72]) own.push(await add('blue', number, ids.blue, 'one burst'));
    await thumbnail(own[0]!).click();
    await page.getByRole('button', { name: 'Whole burst' }).click();
    expect(await selected()).toBe(3);
    expect(await page.getByRole('button', { name: 'Whole burst' }).count()).toBe(0);
    await press('Escape');
    await thumbnail(own[1]!).dblclick();
    expect(await selected()).toBe(3);
    await press('Backspace');
    await eventually(() => count('blue')).toBe(9);
    expect(await focus()).toBe(hashes.blue[8]);
    hashes.blue = hashes.blue.slice(0, 9);
  });

  it('focuses the next picture after Delete, and the header after the last one', async () => {
    await thumbnail(hashes.green[3]!).focus();
    await press('Delete');
    expect(await focus()).toBe(hashes.green[4]);
    await eventually(() => count('green')).toBe(8);
    await press('Control+z');
    await holds('green', 9);
    expect(await focus()).toBe(hashes.green[4]);
    await press('Control+a', 'Delete');
    await eventually(focus).toBe(header('green'));
    await press('Control+z');
    await holds('green', 9);
  });

  it('searches a class in a menu without choosing it, and moves pictures by Enter', async () => {
    await thumbnail(hashes.red[2]!).focus();
    await press('m');
    await eventually(focus).toBe('green');
    await press('ArrowDown');
    expect(await focus()).toBe('blue');
    await press('ArrowDown');
    expect(await focus()).toBe('Not sorted yet');
    await press('g');
    expect(await focus()).toBe('green');
    expect(await count('red')).toBe(9);
    await press('Escape');
    expect(await focus()).toBe('Move to …');
    expect(await selected()).toBe(1);
    await press('ArrowDown', 'b', 'Enter');
    await eventually(() => count('blue')).toBe(10);
    expect(await count('red')).toBe(8);
    expect(await focus()).toBe(hashes.red[3]);
    await undone('blue', 9);

    await thumbnail(hashes.red[0]!).focus();
    await press('m');
    await eventually(focus).toBe('green');
    await press('End', 'ArrowUp', 'Enter');
    await eventually(() => page.locator('.class-header h3').first().innerText()).toBe('Not sorted yet');
    await undone('red', 9);
  });

  it('merges classes by keyboard, and focuses the merged class', async () => {
    const more = page.getByRole('button', { name: 'More for red' });
    await more.focus();
    await press('ArrowDown');
    expect(await focus()).toBe('Merge into …');
    await press('Enter', 'ArrowDown');
    expect(await focus()).toBe('blue');
    await press('ArrowLeft', 'Escape');
    expect(await focus()).toBe('More for red');
    await press('Enter', 'ArrowRight', 'ArrowDown', 'Enter');
    await eventually(() => count('blue')).toBe(18);
    expect(await focus()).toBe(header('blue'));
    await undone('blue', 9);
    await more.click();
    await page.mouse.click(700, 20);
    expect(await page.locator('.menu:popover-open').count()).toBe(0);
  });

  it('focuses the class that a name was moved from', async () => {
    await page.locator(`[data-place="${name('red')}"]`).fill('Blue');
    await press('Enter');
    await holds('blue', 18);
    expect(await focus()).toBe(header('blue'));
    await undone('blue', 9);
    await page.locator('.notice button').first().click();
  });

  it('scrolls to a new class with its name ready for typing; each class is a heading', async () => {
    await page.getByRole('button', { name: 'New class' }).click();
    await eventually(focus).toMatch(/^name /);
    await page.keyboard.type('zebra');
    await press('Enter');
    await eventually(() => page.getByRole('heading', { name: 'zebra', exact: true }).count()).toBe(1);
    expect(await focus()).toMatch(/^class /);
    await press('Tab', 'ArrowRight', 'ArrowRight', 'ArrowRight', 'ArrowRight');
    expect(await focus()).toBe('More for zebra');
    await press('Enter', 'End', 'Enter');
    await eventually(() => page.getByRole('heading', { name: 'zebra', exact: true }).count()).toBe(0);
    expect(await focus()).toBe(header('blue'));
  });

  it('goes from one open question to the next', async () => {
    for (let i = 0; i < 4; i++) await add('green', 40 + i);
    await add('red', 80, ids.blue);
    const next = page.locator('#next .review');
    await eventually(() => next.count()).toBeGreaterThan(2);
    const second = await next.nth(1).getAttribute('data-hash');
    await next.nth(0).locator('.actions button').first().focus();
    await press('Enter');
    await eventually(() => page.locator(`#next [data-hash="${second}"] button:focus`).count()).toBe(1);
    // This still holds after other pictures have been proposed.
    await page.waitForTimeout(1500);
    expect(await page.locator(`#next [data-hash="${second}"] button:focus`).count()).toBe(1);
    await page.locator('.stage.done').waitFor({ timeout: 45_000 });
    const review = page.locator('#suspects .review', { hasText: 'You said blue' });
    await review.getByRole('button', { name: 'blue is right' }).focus();
    await press('Enter');
    await eventually(() => review.count()).toBe(0);
    expect(await focus()).not.toBe('BODY');
    await page.locator('.tools').getByRole('button', { name: 'Undo' }).click();
    await eventually(() => review.count()).toBe(1);
  });

  it('takes a burst from one Enter to the next', async () => {
    const awake = () =>
      eventually(() =>
        page.locator('.camera video').evaluate((element: HTMLVideoElement) => element.videoWidth),
      ).toBeGreaterThan(0);
    await page.getByRole('button', { name: 'Take pictures of red' }).focus();
    await press('Enter');
    await awake();
    const hold = page.getByRole('button', { name: 'Hold to take pictures' });
    await hold.focus();
    await press('Enter');
    await page.getByRole('button', { name: 'Stop' }).waitFor();
    await page.waitForTimeout(500);
    await press('Enter');
    await hold.waitFor();
    await eventually(() => count('red')).toBeGreaterThan(10);
    await press('Escape');
    expect(await focus()).toBe('Take pictures of red with the camera');
    await undone('red', 9);
    await page.getByRole('button', { name: 'Take pictures of red' }).click();
    await awake();
    // A short press of a pointer, or of a screen reader on a phone, takes one picture.
    await hold.click();
    await eventually(() => count('red')).toBe(10);
    await hold.waitFor();
    await page.getByRole('button', { name: 'Done' }).click();
    await undone('red', 9);
  });

  it('clips long texts; keeps its menus visible with many classes', async () => {
    const long = 'W'.repeat(200);
    await change({ do: 'rename-class', id: ids.blue, name: long });
    await change(
      ...Array.from(
        { length: 60 },
        (_, i): Command => ({ do: 'add-class', id: `more-${i}`, name: `kind ${i}` }),
      ),
    );
    await eventually(() => page.locator('#next .review').count()).toBeGreaterThan(0);
    await page.locator('#suspects .review').first().waitFor();
    const sideways = (part: string) =>
      page.locator(part).evaluate(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth);
    for (const width of [1440, 1024, 390]) {
      await page.setViewportSize({ width, height: 768 });
      if (width < 900) await page.locator('.tabs button').nth(1).click();
      expect(await sideways('#teach .flow')).toBe(0);
      if (width < 900) await page.locator('.tabs button').nth(0).click();
      const last = page.getByRole('button', { name: 'More for kind 59' });
      // Rows are measured when they become visible, which may move the end of the list.
      await eventually(async () => {
        await scrollTo(1e6);
        return last.count();
      }).toBe(1);
      await last.click();
      await page.getByRole('menuitem', { name: 'Merge into …' }).click();
      const { x, y, width: wide, height } = (await page.locator('.menu:popover-open').boundingBox())!;
      expect(Math.min(x, y)).toBeGreaterThan(0);
      expect(x + wide).toBeLessThan(width);
      expect(y + height).toBeLessThan(768);
      await press('End');
      expect(await focus()).toBe('kind 58');
      await press('Escape');
      await scrollTo(0);
      const hint = (await page.locator('.class-header .hint').boundingBox())!;
      const first = (await page.locator('.thumbnail').first().boundingBox())!;
      expect(hint.y + hint.height).toBeLessThanOrEqual(first.y);
    }
  });

  it('reaches every class by Tab in a long list', async () => {
    await page.setViewportSize({ width: 1440, height: 900 });
    await thumbnail(hashes.red[0]!).focus();
    for (let i = 0; i < 100 && (await focus()) !== 'name more-59'; i++) await press('Tab');
    expect(await focus()).toBe('name more-59');
    // Its tools are reached by arrow keys: no class has more than two stops.
    for (let i = 0; i < 4; i++) await press('ArrowRight');
    expect(await focus()).toBe('More for kind 59');
    await press('ArrowLeft', 'ArrowLeft', 'ArrowLeft');
    expect(await focus()).toBe('name more-59');
  });

  it('has two columns on a small laptop', async () => {
    await page.setViewportSize({ width: 1024, height: 768 });
    expect(await page.locator('main > section:visible').count()).toBe(2);
    await page.locator('.tabs button:visible').nth(1).click();
    await page.locator('#try').waitFor();
    expect(await page.locator('main > section:visible').count()).toBe(2);
    await page.locator('.tabs button:visible').nth(0).click();
  });

  it('has no finding of axe, of any severity, with a menu open, in light and dark, wide and narrow', async () => {
    for (const width of [1024, 390]) {
      await page.setViewportSize({ width, height: 844 });
      if (width < 900) await page.locator('.tabs button').nth(0).click();
      for (const theme of ['dark', 'light']) {
        await page.getByLabel('Colours').selectOption(theme);
        await scrollTo(0);
        await page.locator('.thumbnail').first().click();
        expect(await findingsOfAxe(page)).toEqual([]);
        await press('m');
        await page.locator('.menu:popover-open').waitFor();
        expect(await findingsOfAxe(page)).toEqual([]);
        await press('Escape', 'Escape');
      }
    }
  });
});
