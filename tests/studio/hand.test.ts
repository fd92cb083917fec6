import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renderBenchPage } from '../../src/report/bench-page.ts';
import { chromiumMissing, chromiumPath } from '../browser/chromium.ts';
import { leastContrast } from './contrast.ts';
import { overflowing } from './layout.ts';
import { type Colour, colourPicture, eventually, StudioProcess } from './story.ts';

const COLOURS: readonly Colour[] = ['red', 'green', 'blue'];
const HEIC = join(import.meta.dirname, '../fixtures/two-colours.heic');

describe.skipIf(!chromiumPath)(`the studio with a mouse${chromiumMissing}`, { timeout: 120_000 }, () => {
  const studio = new StudioProcess();
  let page: Page;

  beforeAll(async () => {
    page = await studio.open({ cameras: 2 });
  });
  afterAll(() => studio.end());

  /** Adds classes with the given numbers of pictures. No two pictures are equal. */
  async function addColours(each: number, from: number): Promise<void> {
    for (const colour of COLOURS) {
      const classId = await studio.addClass(colour);
      const pictures = Array.from({ length: each }, async (_, i) =>
        studio.keep(`${colour} ${from + i}.png`, await colourPicture(colour, from + i), { classId }),
      );
      await studio.change({ do: 'add', pictures: await Promise.all(pictures) });
    }
  }
  const settled = () => page.locator('.stage.done').waitFor({ timeout: 60_000 });
  const count = async () => (await studio.board()).pictures.length;
  const pathOf = (name: string, bytes: Buffer): string => {
    mkdirSync(join(studio.folder, 'files'), { recursive: true });
    const path = join(studio.folder, 'files', name);
    writeFileSync(path, bytes);
    return path;
  };
  /** Drags files from outside to a place of the page, as the browser does. `drop` drops them there. */
  async function drag(files: string[], to: Locator, ends: boolean): Promise<void> {
    const { x, y, width, height } = (await to.boundingBox())!;
    const session = await page.context().newCDPSession(page);
    const data = { items: [], files, dragOperationsMask: 1 };
    for (const type of ['dragEnter', 'dragOver', ends ? 'drop' : 'dragOver'] as const)
      await session.send('Input.dispatchDragEvent', { type, x: x + width / 2, y: y + height / 2, data });
    await session.detach();
  }
  /** The positions of all controls. */
  const places = () =>
    page.locator('main :is(button, .button, select, summary):visible').evaluateAll((all) =>
      all.map((one) => {
        const { x, y } = one.getBoundingClientRect();
        return [x, y];
      }),
    );

  it('starts with two named classes, which are added when one is used, and undoes that', async () => {
    await eventually(() => page.locator('.first-class .class-name').count()).toBe(2);
    expect(await page.locator('[data-start] h2').allInnerTexts()).toHaveLength(4);
    await page.locator('.first-class .class-name').first().click();
    await page.keyboard.type('apple');
    await page.keyboard.press('Enter');
    const [chooser] = await Promise.all([
      page.waitForEvent('filechooser'),
      page.locator('.first-class').first().getByText('Upload').click(),
    ]);
    await chooser.setFiles([pathOf('apple.png', await colourPicture('red', 1))]);
    await eventually(count).toBe(1);
    const board = await studio.board();
    expect(board.classes.map(({ name }) => name)).toEqual(['apple', 'Class 2']);
    expect(board.pictures[0]?.classId).toBe(board.classes[0]!.id);
    await page.locator('.class-hint', { hasText: 'Upload' }).waitFor();
    await page.keyboard.press('Control+z');
    await page.keyboard.press('Control+z');
    await page.locator('.first-class').first().waitFor();
    await studio.clear();
  });

  it('keeps projects apart, each with its name, which its exports use; a copy is independent', async () => {
    const before = await studio.board();
    const open = async (name: string | RegExp) => {
      await page.getByRole('button', { name: 'Projects' }).click();
      await page.getByRole('menuitem', { name }).click();
    };
    const projectName = page.getByLabel('Name of the project');
    await projectName.fill('Fruit & 水果');
    await page.keyboard.press('Enter');
    const classId = await studio.addClass('fruit');
    await studio.add('fruit.png', await colourPicture('red', 2), { classId });
    await open('Duplicate this project');
    await eventually(() => projectName.inputValue()).toBe('Fruit & 水果 (copy)');
    await eventually(async () => (await studio.board()).name).toBe('Fruit & 水果 (copy)');
    await studio.clear();
    await open(/^Fruit & 水果, 1 picture/);
    await eventually(() => projectName.inputValue()).toBe('Fruit & 水果');
    expect(await count()).toBe(1);
    await page.getByRole('button', { name: 'Projects' }).click();
    await eventually(() => page.locator('.menu:popover-open').innerText()).toContain(
      join(studio.folder, 'session'),
    );
    await page.keyboard.press('Escape');
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'All pictures' }).click(),
    ]);
    expect(download.suggestedFilename()).toBe('Fruit-&-水果.zip');
    await studio.change({ do: 'name', name: before.name });
    await studio.clear();
  });

  it('takes pictures while the mouse holds the button, which keeps its size', async () => {
    const id = await studio.addClass('held');
    await page.getByRole('button', { name: 'Take pictures of held' }).click();
    const video = page.locator('.camera video');
    await eventually(() => video.evaluate((element: HTMLVideoElement) => element.videoWidth)).toBeGreaterThan(
      0,
    );
    const hold = page.locator('.camera .primary');
    const { x, y, width } = (await hold.boundingBox())!;
    // The pointer is near the right edge, where it would be outside if the button shrank. Then it leaves the button.
    await page.mouse.move(x + width - 4, y + 10);
    await page.mouse.down();
    await page.waitForTimeout(500);
    expect((await hold.boundingBox())!.width).toBe(width);
    await page.mouse.move(x + width + 60, y + 10);
    await page.waitForTimeout(500);
    await page.mouse.up();
    await eventually(count).toBeGreaterThan(3);
    const held = await count();
    await page.waitForTimeout(600);
    expect(await count()).toBe(held);
    await page.getByRole('button', { name: 'Done' }).click();
    // A frame that cannot be read costs only itself.
    await page.getByRole('button', { name: 'Take pictures of held' }).click();
    await page.evaluate(() => {
      const { prototype } = HTMLCanvasElement;
      const { toBlob } = prototype;
      let frames = 0;
      prototype.toBlob = function (...given) {
        if (++frames === 2) given[0](null);
        else toBlob.apply(this, given);
        if (frames === 5) prototype.toBlob = toBlob;
      };
    });
    await eventually(() => video.evaluate((element: HTMLVideoElement) => element.videoWidth)).toBeGreaterThan(
      0,
    );
    await page.mouse.move(x + 10, y + 10);
    await page.mouse.down();
    await page.waitForTimeout(1500);
    await page.mouse.up();
    await page.getByRole('button', { name: 'Done' }).click();
    const notice = page.locator('.notice', { hasText: '1 file was not added' });
    await eventually(() => notice.innerText()).toContain('The file is empty');
    await eventually(count).toBeGreaterThan(held + 1);
    await notice.getByRole('button', { name: 'Close' }).click();
    const groups = new Set((await studio.board()).pictures.map(({ group }) => group));
    expect(groups.size).toBe(2);
    await studio.change({ do: 'discard-class', id });
  });

  it('counts down and ends a burst by itself; remembers the camera, its mirror, rate and timer', async () => {
    const id = await studio.addClass('timed');
    const open = () => page.getByRole('button', { name: 'Take pictures of timed' }).click();
    await open();
    const camera = page.locator('.camera');
    const video = camera.locator('video');
    const which = camera.getByLabel('Camera', { exact: true });
    await eventually(() => which.locator('option').count()).toBe(2);
    const isOther = () =>
      video.evaluate(
        ({ srcObject, videoWidth }: HTMLVideoElement) =>
          videoWidth > 0 && (srcObject as MediaStream).getVideoTracks()[0]?.label,
      );
    await eventually(isOther).toMatch(/fake/);
    const first = await isOther();
    await which.selectOption({ index: 1 });
    await eventually(isOther).not.toBe(first);
    await eventually(isOther).toMatch(/fake/);
    const mirrored = () => video.evaluate((element) => element.className);
    expect(await mirrored()).toBe('mirrored');
    await camera.getByLabel('Mirror').uncheck();
    await eventually(mirrored).toBe('');
    await camera.getByLabel('Pictures per second').selectOption('10');
    await camera.getByLabel('Timer').selectOption('1');
    await camera.getByRole('button', { name: 'Take pictures' }).click();
    await eventually(() => camera.locator('.viewfinder strong').innerText()).toBe('3');
    expect(await count()).toBe(0);
    await camera.getByRole('button', { name: 'Stop' }).waitFor();
    await camera.getByRole('button', { name: 'Take pictures' }).waitFor();
    const taken = Number.parseInt(await camera.locator('.actions > [role=status]').innerText(), 10);
    expect(taken).toBeGreaterThan(5);
    // The camera gives 5 frames a second, and each is taken once.
    expect(taken).toBeLessThan(35);
    await eventually(count).toBe(taken);
    await camera.getByRole('button', { name: 'Done' }).click();
    await open();
    await eventually(() => which.evaluate((select: HTMLSelectElement) => select.selectedIndex)).toBe(1);
    await eventually(isOther).toMatch(/fake/);
    expect(await camera.getByLabel('Mirror').isChecked()).toBe(false);
    // Pressed again during the countdown, it takes nothing.
    await camera.getByRole('button', { name: 'Take pictures' }).click();
    await camera.getByRole('button', { name: 'Stop' }).click();
    await page.waitForTimeout(3500);
    expect(await count()).toBe(taken);
    await camera.getByLabel('Mirror').check();
    await camera.getByLabel('Pictures per second').selectOption('5');
    await camera.getByLabel('Timer').selectOption('0');
    await camera.getByRole('button', { name: 'Done' }).click();
    await studio.change({ do: 'discard-class', id });
  });

  it('asks for a second burst if a class has only one, with a button for it', async () => {
    for (const colour of ['red', 'green'] as const) {
      const place = { classId: await studio.addClass(colour), group: `burst ${colour}` };
      for (let i = 0; i < 3; i++) await studio.add(`${i}.png`, await colourPicture(colour, 20 + i), place);
    }
    const untested = page.locator('.untested').first();
    await eventually(() => untested.innerText()).toContain('Take a second burst of each');
    expect(await page.locator('#teach').innerText()).not.toContain('two pictures');
    await untested.getByRole('button', { name: 'Second burst of green' }).click();
    await page.getByRole('heading', { name: 'Pictures of green' }).waitFor();
    await page.getByRole('button', { name: 'Done' }).click();
    await studio.clear();
    // Visually identical copies count as one picture.
    for (const colour of ['red', 'green'] as const) {
      const classId = await studio.addClass(colour);
      const picture = await colourPicture(colour, 40);
      await studio.add('one.png', picture, { classId });
      await studio.add('same.png', await sharp(picture).png({ compressionLevel: 0 }).toBuffer(), { classId });
    }
    await eventually(() => untested.innerText()).toContain('nearly the same');
    await studio.clear();
  });

  it('opens a choice of files from its drop areas', async () => {
    await eventually(() => page.locator('.drop-hint').count()).toBe(1);
    for (const area of [page.locator('.drop-hint'), page.locator('#try .stage-box')]) {
      if ((await area.count()) === 0) continue;
      const [chooser] = await Promise.all([page.waitForEvent('filechooser'), area.click()]);
      expect(chooser.isMultiple()).toBe(true);
    }
  });

  it('accepts files that are dropped anywhere, shows their target, and reports every file that it refuses', async () => {
    const dropped = async (i: number) => pathOf(`dropped ${i}.png`, await colourPicture('blue', 60 + i));
    const [one, two, three] = [await dropped(1), await dropped(2), await dropped(3)];
    await drag([one], page.locator('.top h1'), false);
    await eventually(() => page.locator('.drop-target').innerText()).toContain('Drop to add');
    await drag([one], page.locator('.top h1'), true);
    await eventually(count).toBe(1);
    expect(await page.locator('.drop-target').count()).toBe(0);
    await drag([two], page.locator('#teach-heading'), true);
    await eventually(count).toBe(2);
    const texts = Array.from({ length: 8 }, (_, i) => pathOf(`no picture ${i}.jpg`, Buffer.from('hello')));
    await settledPlaces();
    const before = await places();
    await drag(texts, page.locator('#collect-heading'), true);
    const notice = page.locator('.notice', { hasText: '8 files' });
    await notice.waitFor();
    expect(await places()).toEqual(before);
    await notice.getByRole('button', { name: 'Show 3 more' }).click();
    for (const i of texts.keys()) expect(await notice.innerText()).toContain(`no picture ${i}.jpg`);
    for (const width of [1440, 1024, 390]) {
      await page.setViewportSize({ width, height: 900 });
      expect(await covered(), `${width} px`).toEqual([]);
    }
    await page.setViewportSize({ width: 1440, height: 900 });
    await drag([three], notice, true);
    await eventually(count).toBe(3);
    await notice.getByRole('button', { name: 'Close' }).click();
    await studio.clear();
  });
  /** The controls of the header, the tabs and the toolbar that something else covers. */
  const covered = () =>
    page.locator(':is(.top, .tabs, .toolbar) :is(button, .button, select):visible').evaluateAll((all) =>
      all
        .filter((one) => {
          const { x, y, width, height } = one.getBoundingClientRect();
          return !one.contains(document.elementFromPoint(x + width / 2, y + height / 2));
        })
        .map((one) => one.outerHTML.slice(0, 120)),
    );
  /** Waits until all animations have ended. */
  async function settledPlaces(): Promise<void> {
    let before = await places();
    await expect
      .poll(
        async () => {
          const now = await places();
          const isSame = JSON.stringify(now) === JSON.stringify(before);
          before = now;
          return isSame;
        },
        { interval: 300 },
      )
      .toBe(true);
  }

  it('names the most probable class of an answer below the threshold; shows formats that the browser cannot show', async () => {
    await addColours(5, 100);
    await settled();
    const tiff = await sharp(await colourPicture('red', 170))
      .resize(40)
      .tiff()
      .toBuffer();
    await page.locator('#try-file').setInputFiles({ name: 'scan.tif', mimeType: 'image/tiff', buffer: tiff });
    await eventually(() => page.locator('.verdict strong').innerText()).toBe('red');
    const width = () =>
      page.locator('.stage-box img').evaluate((image: HTMLImageElement) => image.naturalWidth);
    await eventually(width).toBe(40);
    await page.locator('#try-file').setInputFiles(HEIC);
    await eventually(() => page.locator('.verdict strong').innerText()).toMatch(/^(red|green|blue)$/);
    await eventually(width).toBe(48);
    await studio.change({ do: 'set', settings: { method: 'auto', reject: 1 } });
    await eventually(() => page.locator('.verdict').innerText()).toBe('None of these');
    expect(await page.locator('#try').innerText()).toMatch(/Most like “red”, but only \d+% sure/);
    await studio.change({ do: 'set', settings: { method: 'auto', reject: 0 } });
  });

  it('shows the parts of names and examples on one scale, for every method', async () => {
    await studio.change({ do: 'set', settings: { method: 'gda', reject: 0 } });
    await eventually(() => page.locator('#answering').innerText()).toBe('Gaussian discriminant analysis');
    await settled();
    await page.getByText('Names and examples').click();
    const parts = page.locator('.bars.parts');
    await eventually(() => page.locator('#try [data-took]').count()).toBe(1);
    const numbers = (await parts.locator('.number').allInnerTexts()).map((text) => {
      const [name, examples] = text.split(' + ');
      return { name: Number(name), examples: Number(examples) };
    });
    expect(Math.min(...numbers.map(({ name }) => name))).toBe(0);
    expect(Math.min(...numbers.map(({ examples }) => examples))).toBe(0);
    expect(Math.max(...numbers.map(({ name, examples }) => name + examples))).toBe(100);
    const wide = await parts.evaluate(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth);
    expect(wide).toBe(0);
    await page.getByText('Names and examples').click();
  });

  it('sets an option of the method under the hood, explains refusals, and shows the size of the file', async () => {
    await studio.change({ do: 'set', settings: { method: 'linear-probe', reject: 0 } });
    await eventually(() => page.locator('#answering').innerText()).toBe('Linear probe');
    await page.locator('#hood summary').click();
    const field = page.getByLabel('c', { exact: true });
    await eventually(() => field.getAttribute('placeholder')).toMatch(/^automatic: /);
    await field.fill('2');
    await page.keyboard.press('Enter');
    await eventually(async () => (await studio.board()).settings.options).toEqual({ c: 2 });
    await settled();
    await eventually(() => page.locator('#hood').innerText()).toMatch(/The classifier's file has \d+ kB/);
    const told = Number(/(\d+) kB/.exec(await page.locator('#hood').innerText())?.[1]);
    const file = await (await fetch(`${studio.address}/api/classifier`)).arrayBuffer();
    expect(told).toBe(Math.ceil(file.byteLength / 1e3));
    await field.fill('much');
    await page.keyboard.press('Enter');
    await eventually(() => page.locator('#teach .problem').innerText()).toContain(
      'Option c cannot be "much"',
    );
    await field.fill('');
    await page.keyboard.press('Enter');
    await eventually(async () => (await studio.board()).settings.options).toEqual({});
    await page.locator('#hood summary').click();
  });

  it('shows the learning curve of a training on left-out pictures, epoch by epoch', async () => {
    await studio.change({ do: 'set', settings: { method: 'tip-adapter-f', reject: 0 } });
    const curve = page.locator('#left-out svg');
    await eventually(() => curve.getAttribute('aria-label')).toMatch(/after 20 epochs$/);
    expect(await curve.locator('.marker').count()).toBe(20);
    const first = await curve.locator('.marker').first().getAttribute('cy');
    expect(Number(first)).toBeLessThan(100);
    await settled();
  });

  it('shows a picture large, goes to the next, crops, moves to a new class and deletes there, and undoes each', async () => {
    await studio.change({ do: 'set', settings: { method: 'tip-adapter', reject: 0 } });
    const first = page.locator('.thumbnail').first();
    await first.focus();
    await page.keyboard.press('Enter');
    const large = page.locator('dialog.preview');
    const name = () => large.getAttribute('aria-label');
    await eventually(() => large.count()).toBe(1);
    const one = await name();
    await page.keyboard.press('ArrowRight');
    await eventually(name).not.toBe(one);
    await page.keyboard.press('ArrowLeft');
    await eventually(name).toBe(one);
    const hashOf = async (wanted: string | null) =>
      (await studio.board()).pictures.find(({ name: own }) => own === wanted)?.hash;
    const whole = await hashOf(one);
    await large.getByRole('button', { name: 'Crop' }).click();
    const area = (await large.locator('.crop-area').boundingBox())!;
    await page.mouse.move(area.x + 4, area.y + 4);
    await page.mouse.down();
    await page.mouse.move(area.x + area.width / 2, area.y + area.height / 2);
    await page.mouse.up();
    await large.getByRole('button', { name: 'Keep this part' }).click();
    await eventually(() => hashOf(one)).not.toBe(whole);
    const width = () =>
      large.locator('.framed img').evaluate((image: HTMLImageElement) => image.naturalWidth);
    await eventually(width).toBeLessThan(40);
    await large.getByRole('button', { name: 'Move to …' }).click();
    await page.getByRole('menuitem', { name: 'New class …' }).click();
    await page.keyboard.type('cropped');
    await page.keyboard.press('Enter');
    await eventually(async () => (await studio.board()).classes.at(-1)?.name).toBe('cropped');
    const before = await count();
    await page.keyboard.press('Delete');
    await eventually(count).toBe(before - 1);
    const told = large.locator('.undoable', { hasText: 'Deleted 1 picture' });
    await told.getByRole('button', { name: 'Undo' }).click();
    await eventually(count).toBe(before);
    await large.getByRole('button', { name: 'Close' }).click();
    for (let i = 0; i < 3; i++) await page.locator('.tools').getByRole('button', { name: 'Undo' }).click();
    await eventually(() => hashOf(one)).toBe(whole);
    await eventually(async () => (await studio.board()).classes.map(({ name: own }) => own)).not.toContain(
      'cropped',
    );
    await page.locator('#try .nearest .seeable').first().click();
    await eventually(() => large.count()).toBe(1);
    await page.keyboard.press('Escape');
    await eventually(() => large.count()).toBe(0);
  });

  it('keeps all text of a chart inside it, and everything within its column', async () => {
    await page
      .locator('#teach details, #try details, #keep details')
      .evaluateAll((all: HTMLDetailsElement[]) => {
        for (const one of all) one.open = true;
      });
    for (const width of [1440, 1024, 390]) {
      await page.setViewportSize({ width, height: 900 });
      const tabs = page.locator('.tabs button:visible');
      for (let tab = 0; tab < Math.max(1, await tabs.count()); tab++) {
        if ((await tabs.count()) > 0) await tabs.nth(tab).click();
        expect(await overflowing(page), `${width} px, tab ${tab}`).toEqual([]);
      }
    }
    await page.setViewportSize({ width: 1440, height: 900 });
  });

  it('shows every column of a benchmark inside the page if there is room', async () => {
    const columns = Array.from({ length: 6 }, (_, i) => ({
      title: `column ${i}`,
      value: () => `method number ${i} with 12.34`,
    }));
    const section = {
      title: 'Few shots',
      how: '',
      tables: { Accuracy: { columns, rows: [{ name: 'one', published: false, values: {} }] } },
    };
    const html = renderBenchPage('A benchmark', '', [{ ...section, axis: 'shots', curves: [], missing: [] }]);
    const own = await page.context().browser()!.newPage();
    await own.setContent(html);
    const hidden = await own
      .locator('.scroll')
      .evaluate(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth);
    expect(hidden).toBe(0);
    await own.close();
  });

  it('keeps guesses in their places when another method takes over', async () => {
    await studio.change({ do: 'set', settings: { method: 'tip-adapter', reject: 0 } });
    const name = `${'a very long file name '.repeat(6)}.png`;
    // Between two colours, so that the order of the guesses depends on the method.
    for (let i = 0; i < 3; i++) {
      const [one, other] = [await colourPicture('red', 180 + i), await colourPicture('green', 180 + i)];
      const mixed = await sharp(one)
        .composite([{ input: await sharp(other).ensureAlpha(0.5).png().toBuffer() }])
        .png()
        .toBuffer();
      await studio.add(`${i} ${name}`, mixed);
    }
    const next = page.locator('#next .review');
    await eventually(() => next.count()).toBe(3);
    await settled();
    expect((await next.first().locator('p').innerText()).startsWith('Which class?')).toBe(true);
    const buttons = () =>
      next.evaluateAll((all) =>
        all.map((item) =>
          [...item.querySelectorAll<HTMLElement>('button[title]')].slice(0, 3).map((button) => {
            const { x, y } = button.getBoundingClientRect();
            return [button.title, Math.round(x), Math.round(y - item.getBoundingClientRect().y)] as const;
          }),
        ),
      );
    await settledPlaces();
    const before = await buttons();
    for (const method of ['zero-shot', 'prototype', 'gda']) {
      const asked = page.waitForResponse(/\/api\/next/);
      await studio.change({ do: 'set', settings: { method, reject: 0 } });
      await asked;
      await settled();
      await settledPlaces();
      expect(await buttons(), method).toEqual(before);
    }
  });

  it("adds the camera's picture to a class, and undoes that in the same place", async () => {
    await page.getByRole('button', { name: 'Use camera' }).click();
    await page.locator('#try .verdict strong').waitFor();
    const before = await count();
    await page.locator('#try').getByTitle('Teach it: this is').click();
    await page.getByRole('menuitem', { name: 'green' }).click();
    await eventually(count).toBe(before + 1);
    const board = await studio.board();
    const { classId, group } = board.pictures.at(-1)!;
    expect(board.classes.find(({ id }) => id === classId)?.name).toBe('green');
    expect(group).toMatch(/^live camera/);
    const told = page.locator('#try .undoable', { hasText: 'Added to “green”' });
    await told.getByRole('button', { name: 'Undo' }).click();
    await eventually(count).toBe(before);
    await page.getByRole('button', { name: 'Stop camera' }).click();
    await settled();
  });

  it('has a contrast of 4.5 in every button, in every state, in both themes', {
    timeout: 120_000,
  }, async () => {
    await page.locator('.thumbnail').first().click();
    for (const theme of ['light', 'dark']) {
      await page.getByLabel('Colours').selectOption(theme);
      expect(await leastContrast(page)).toEqual([]);
      await page.getByRole('button', { name: 'Take pictures of red' }).click();
      expect(await leastContrast(page, '.camera')).toEqual([]);
      await page.getByRole('button', { name: 'Done' }).click();
      await page.getByRole('button', { name: 'More for red' }).click();
      expect(await leastContrast(page, '.menu:popover-open')).toEqual([]);
      await page.keyboard.press('Escape');
    }
    await page.getByLabel('Colours').selectOption('auto');
  });
});
