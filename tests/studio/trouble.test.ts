import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chromiumMissing, chromiumPath } from '../browser/chromium.ts';
import { type Colour, colourPicture, eventually, StudioProcess } from './story.ts';

describe.skipIf(!chromiumPath)(`the studio in trouble${chromiumMissing}`, () => {
  const studio = new StudioProcess();
  let page: Page;

  beforeAll(async () => {
    page = await studio.open();
  });
  afterAll(() => studio.end());

  const count = async () => (await studio.board()).pictures.length;
  const shown = (of: Page) => of.locator('#collect .heading p').innerText();
  /** A folder with a class of pictures for each colour. */
  async function folderOf(name: string, each: number, from = 0): Promise<string> {
    const top = join(studio.folder, name);
    for (const colour of ['red', 'green', 'blue'] satisfies Colour[]) {
      mkdirSync(join(top, colour), { recursive: true });
      for (let i = from; i < from + each; i++)
        writeFileSync(join(top, colour, `${colour} ${i}.png`), await colourPicture(colour, i));
    }
    return top;
  }

  it('loses nothing when two pages change at once, and both show it', async () => {
    const other = await studio.newPage();
    const dropping = page
      .locator('input[webkitdirectory]')
      .setInputFiles(await folderOf('two', 40))
      .then(() => eventually(count).toBe(120));
    for (let i = 0; i < 6; i++) {
      await other.getByRole('button', { name: 'New class' }).click();
      await other.waitForTimeout(150);
    }
    await dropping;
    await eventually(async () => (await studio.board()).classes.length).toBe(9);
    for (const one of [page, other]) await eventually(() => shown(one)).toBe('120 pictures in 9 classes');
    expect((await studio.board()).pictures.every(({ classId }) => classId)).toBe(true);
    await other.close();
    await studio.clear();
  });

  it('continues an import after the program was killed in the middle of it', async () => {
    await page.locator('input[webkitdirectory]').setInputFiles(await folderOf('killed', 40, 100));
    await eventually(count).toBeGreaterThan(20);
    await studio.kill();
    await eventually(() => page.locator('.notices').innerText()).toContain('does not answer');
    // Another change is made meanwhile.
    await page.getByRole('button', { name: 'New class' }).click();
    await eventually(() => page.locator('.notices').innerText()).toContain('not saved yet and wait');
    await studio.start();
    await eventually(count).toBe(120);
    await eventually(() => shown(page)).toBe('120 pictures in 4 classes');
    await eventually(() => page.locator('.notices').innerText()).not.toContain('does not answer');
    await studio.clear();
  });

  it('reports a refused file and accepts the others', async () => {
    const files = [
      { name: 'bad.zip', mimeType: 'application/zip', buffer: Buffer.from('PK no zip') },
      { name: 'text.jpg', mimeType: 'image/jpeg', buffer: Buffer.from('hello') },
      { name: 'empty.png', mimeType: 'image/png', buffer: Buffer.alloc(0) },
      { name: 'good.png', mimeType: 'image/png', buffer: await colourPicture('red', 500) },
      { name: 'better.png', mimeType: 'image/png', buffer: await colourPicture('blue', 500) },
    ];
    await page.locator('input[accept*=zip]').first().setInputFiles(files);
    await eventually(count).toBe(2);
    const notice = page.locator('.notice', { hasText: '3 files were not added' });
    for (const name of ['bad.zip', 'text.jpg', 'empty.png']) expect(await notice.innerText()).toContain(name);
    expect(await notice.innerText()).not.toContain(studio.folder);
    await page.getByLabel('Language').selectOption('zh');
    await eventually(() => page.locator('.notices').innerText()).toContain('这个文件不是图片');
    await page.getByLabel('语言').selectOption('en');
    await page.locator('.notice button').first().click();
    await studio.clear();
  });

  it('accepts ten thousand files at once', { timeout: 180_000 }, async () => {
    const top = await folderOf('many', 10, 200);
    const picture = await colourPicture('red', 200);
    // Copies are recognised by their bytes. They pass through every step except writing to the disk.
    for (let i = 0; i < 9_970; i++) writeFileSync(join(top, 'red', `copy ${i}.png`), picture);
    await page.locator('input[webkitdirectory]').setInputFiles(top);
    await page.locator('.bringing').waitFor();
    await page.locator('.bringing').waitFor({ state: 'detached', timeout: 150_000 });
    await eventually(count).toBe(30);
    expect(await page.locator('.notices').innerText()).toContain('9,970 pictures were here already');
    await studio.clear();
  });

  it('tries several pictures, and adds the unknown one as an example', async () => {
    await page.locator('input[webkitdirectory]').setInputFiles(await folderOf('taught', 4, 300));
    await page.locator('.stage.done').waitFor({ timeout: 60_000 });
    const file = async (colour: Colour, name: string) => {
      return { name, mimeType: 'image/png', buffer: await colourPicture(colour, 700) };
    };
    await page
      .locator('#try-file')
      .setInputFiles([await file('red', '1.png'), await file('blue', '2.png'), await file('green', '3.png')]);
    await eventually(() => page.locator('.tried .clip').allInnerTexts()).toEqual(['red', 'blue', 'green']);
    await page.locator('.tried button').nth(1).click();
    await eventually(() => page.locator('.verdict strong').innerText()).toBe('blue');
    await page.locator('#try [aria-haspopup=menu]').click();
    await page.getByRole('menuitem', { name: 'green' }).click();
    await eventually(count).toBe(13);
    const { pictures, classes } = await studio.board();
    const green = classes.find(({ name }) => name === 'green')?.id;
    expect(pictures.find(({ name }) => name === '2.png')?.classId).toBe(green);
  });

  it('turns photos by their EXIF orientation, says which class has few pictures, and reports left-out answers', async () => {
    await studio.clear();
    for (const [colour, each] of [
      ['red', 2],
      ['green', 12],
    ] as const) {
      const classId = await studio.addClass(colour);
      for (let i = 0; i < each; i++) {
        const picture = sharp(await colourPicture(colour, 800 + i)).resize(60, 40, { fit: 'fill' });
        const photo = await picture.jpeg().withMetadata({ orientation: 6 }).toBuffer();
        await studio.add(`${colour} ${i}.jpg`, photo, { classId });
      }
    }
    const sides = () =>
      page
        .locator('.thumbnail img')
        .evaluateAll((all: HTMLImageElement[]) =>
          all.map(({ naturalWidth, naturalHeight }) => [naturalWidth, naturalHeight]),
        );
    await eventually(sides).toEqual(Array(14).fill([40, 60]));
    await page.locator('.stage.done').waitFor({ timeout: 60_000 });
    await eventually(() => page.locator('#teach').innerText()).toContain(
      '“green” has 12 pictures, and “red” has 2. More pictures of “red” help most.',
    );
    await page.locator('.score:not(.stale) .figure').waitFor();
    const report = await (await fetch(`${studio.address}/api/report`)).text();
    expect(report).toContain('Answers to left-out pictures');
    expect(report).toContain('Examples that are most alike');
    expect(report).not.toContain('cache part');
    expect(await (await fetch(`${studio.address}/api/card`)).text()).toMatch(/Prompts \| (a photo|the name)/);
    // Each class has its results of the latest tests.
    const { classes } = await studio.board();
    await studio.add('one more.png', await colourPicture('red', 900), { classId: classes[0]!.id });
    await eventually(() => page.locator('#teach').innerText()).toContain('of 15 pictures');
    await page.locator('#teach summary', { hasText: 'The numbers' }).click();
    await eventually(() => page.locator('#teach').innerText()).toMatch(/Last \d+ tests/);
  });
});
