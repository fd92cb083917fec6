import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, symlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { workspace } from '../../src/classifier/fake-encoder.fixture.ts';
import { load } from '../../src/classifier/index.ts';
import { readDataset } from '../../src/dataset/read.ts';
import { sampleDataset } from '../../src/dataset/sample-dataset.ts';
import { builtinOnMachine } from '../../src/encoder/builtin/machine.fixture.ts';
import { type Studio, startStudio } from '../../src/studio/index.ts';
import { chromiumMissing, chromiumPath, launchChromium } from '../browser/chromium.ts';
import { sharedPage } from '../build-page.ts';

const at = workspace();
const root = join(import.meta.dirname, '../..');
const PHOTOS = join(root, '../shared/data/photos/food10');
const { folder: encoder, missing } = chromiumPath
  ? await builtinOnMachine()
  : { folder: undefined, missing: chromiumMissing };
const CLASSES = 4;
const EACH = 5;

/** A folder of real photos by class, or of the sample's drawings if there are no photos. One more picture of each class is kept aside. */
async function writePictures(): Promise<{ top: string; aside: { path: string; name: string }[] }> {
  const source = existsSync(PHOTOS) ? PHOTOS : await sampleDataset();
  const { classes, examples } = await readDataset(source);
  const top = at('pictures');
  const aside: { path: string; name: string }[] = [];
  classes.slice(0, CLASSES).forEach(({ name }, c) => {
    const own = examples.filter(({ label }) => label === c).map(({ id }) => join(source, id));
    mkdirSync(join(top, name), { recursive: true });
    const kept = own.slice(0, Math.min(EACH, own.length - 1));
    for (const path of kept) copyFileSync(path, join(top, name, `${name} ${basename(path)}`));
    aside.push({ path: own[kept.length]!, name });
  });
  // One picture is in the wrong folder.
  const [first, second] = [aside[0]!, aside[1]!];
  const stray = readdirSync(join(top, second.name))[0]!;
  renameSync(join(top, second.name, stray), join(top, first.name, `stray ${stray}`));
  return { top, aside };
}

describe.skipIf(missing !== undefined)(`the studio with photos${missing ? ` (${missing})` : ''}`, () => {
  let studio: Studio;
  let browser: Browser;
  let page: Page;
  let pictures: Awaited<ReturnType<typeof writePictures>>;

  beforeAll(async () => {
    // The test's own home has a copy of this machine's encoder.
    mkdirSync(at('home'), { recursive: true });
    symlinkSync(dirname(encoder as string), at('home', 'encoders'), 'junction');
    pictures = await writePictures();
    const pages = { page: await sharedPage('studio/web'), exportPage: await sharedPage('export/page') };
    studio = await startStudio({ folder: at('session'), encoder: 'resnet50-minilm', ...pages });
    browser = await launchChromium();
    page = await browser.newPage({ viewport: { width: 1440, height: 1000 }, locale: 'en-GB' });
    page.setDefaultTimeout(60_000);
    await page.goto(studio.address);
  });
  afterAll(async () => {
    await browser?.close();
    await studio?.close();
  });

  const settled = () =>
    expect.poll(() => studio.session.status.teaching.stage, { timeout: 120_000 }).toBe('done');

  it('learns from a folder, and is better than chance on left-out pictures', async () => {
    await page.locator('input[webkitdirectory]').setInputFiles(pictures.top);
    await page.locator('.score:not(.stale) .figure').waitFor();
    await settled();
    const { correct, total } = studio.session.lessons?.check?.check ?? { correct: 0, total: 1 };
    expect(correct / total).toBeGreaterThan(1.5 / CLASSES);
  });

  it('finds the picture in the wrong folder, corrects it from the confusion matrix, and undoes that', async () => {
    const [first, second] = [pictures.aside[0]!, pictures.aside[1]!];
    const { classes } = studio.session.board;
    const idOf = (name: string) => classes.find((one) => one.name === name)?.id;
    const stray = () =>
      [...studio.session.board.pictures.values()].find(({ name }) => name.startsWith('stray'))?.classId;
    const cell = page.getByRole('button', { name: new RegExp(`^${first.name} taken for ${second.name}: `) });
    await cell.click();
    const review = page.locator('.mixup[open] .review', { has: page.locator('img[alt^="stray"]') });
    await review.getByRole('button', { name: `It is ${second.name}` }).click();
    await expect.poll(stray).toBe(idOf(second.name));
    await page.keyboard.press('Control+z');
    await expect.poll(stray).toBe(idOf(first.name));
    await page.keyboard.press('Control+y');
    await expect.poll(stray).toBe(idOf(second.name));
    await settled();
  });

  it('gives the same answers as predict and the exported page without a network', async () => {
    const { path } = pictures.aside[2]!;
    await page.locator('#try-file').setInputFiles(path);
    const verdict = page.locator('.verdict strong');
    await verdict.waitFor();
    const download = async (name: string, file: string) => {
      const [kept] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('link', { name }).click(),
      ]);
      await kept.saveAs(at(file));
    };
    await download('Download the classifier', 'foods.safetensors');
    await download('Web page', 'foods.html');
    const classifier = await load(at('foods.safetensors'));
    const { predictions } = await classifier.predict([path]);
    const { name, probability } = predictions[0]!;
    await classifier.close();
    expect(await verdict.innerText()).toBe(name);
    expect(await page.locator('.bars .number').first().innerText()).toBe(`${Math.round(100 * probability)}%`);

    const context = await browser.newContext({ offline: true });
    const exported = await context.newPage();
    exported.setDefaultTimeout(120_000);
    await exported.goto(pathToFileURL(at('foods.html')).href);
    await exported.waitForSelector('body[data-ready]');
    await exported.setInputFiles('#file', path);
    const bars = exported.locator('.bars[data-probabilities]');
    await bars.waitFor();
    const probabilities: number[] = JSON.parse((await bars.getAttribute('data-probabilities')) as string);
    expect(await exported.locator('.status').textContent()).toBe(name);
    expect(Math.abs(Math.max(...probabilities) - probability)).toBeLessThan(1e-3);
    await context.close();
  }, 240_000);
});
