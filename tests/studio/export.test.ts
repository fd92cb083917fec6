import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { unzipSync } from 'fflate';
import type { Browser } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { workspace } from '../../src/classifier/fake-encoder.fixture.ts';
import { load } from '../../src/classifier/index.ts';
import { writeSmallEncoder } from '../../src/encoder/small-encoder.fixture.ts';
import { random } from '../../src/math/random.ts';
import { type Studio, startStudio } from '../../src/studio/index.ts';
import { chromiumMissing, chromiumPath, launchChromium } from '../browser/chromium.ts';
import { sharedPage } from '../build-page.ts';

const at = workspace();

async function writePhotos(folder: string): Promise<void> {
  const own = random('studio export', 1);
  for (const [name, colour] of Object.entries({
    red: [200, 40, 40],
    green: [40, 180, 60],
    blue: [50, 60, 210],
  })) {
    mkdirSync(join(folder, name), { recursive: true });
    for (let i = 0; i < 4; i++) {
      const [width, height] = [50 + 9 * i, 70 - 7 * i];
      const data = Uint8Array.from(
        { length: width * height * 3 },
        (_, k) => colour[k % 3]! + own.integer(80) - 40,
      );
      await sharp(data, { raw: { width, height, channels: 3 } })
        .png()
        .toFile(join(folder, name, `${i}.png`));
    }
  }
}

describe.skipIf(!chromiumPath)(`the studio: exports and proposals${chromiumMissing}`, () => {
  let studio: Studio;
  let browser: Browser;
  let encoder: string;

  beforeAll(async () => {
    await writePhotos(at('photos'));
    encoder = await writeSmallEncoder(at('encoder'));
    studio = await startStudio({
      folder: at('session'),
      data: at('photos'),
      page: await sharedPage('studio/web'),
      exportPage: await sharedPage('export/page'),
      encoder,
    });
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
    await studio?.close();
  });

  const kept = async (what: string) => {
    const answer = await fetch(`${studio.address}/api/${what}`);
    expect(answer.status, what).toBe(200);
    return Buffer.from(await answer.arrayBuffer());
  };

  it('exports a page that works without a network and gives the answer of predict', async () => {
    // The classifier may be replaced in the background, so both exports are made after the last one has taken over.
    await expect.poll(() => studio.session.status.teaching.stage, { timeout: 60_000 }).toBe('done');
    writeFileSync(at('kept.safetensors'), await kept('classifier'));
    writeFileSync(at('kept.html'), await kept('page'));
    const picture = join(at('photos'), 'green/2.png');
    const classifier = await load(at('kept.safetensors'));
    const { predictions } = await classifier.predict([picture]);
    await classifier.close();

    const context = await browser.newContext({ offline: true });
    const page = await context.newPage();
    await page.goto(pathToFileURL(at('kept.html')).href);
    await page.waitForSelector('body[data-ready]');
    await page.setInputFiles('#file', picture);
    const bars = page.locator('.bars[data-probabilities]');
    await bars.waitFor();
    const probabilities: number[] = JSON.parse((await bars.getAttribute('data-probabilities')) as string);
    expect(await page.locator('.status').textContent()).toBe(predictions[0]!.name);
    expect(Math.max(...probabilities)).toBeCloseTo(predictions[0]!.probability, 3);
    await context.close();
  });

  it('exports the site that a page of your own opens', async () => {
    const files = unzipSync(await kept('site'));
    const { classifier, encoder } = JSON.parse(new TextDecoder().decode(files['site.json']!));
    expect(createHash('sha256').update(files[classifier.path]!).digest('hex')).toBe(classifier.sha256);
    expect(Object.keys(files)).toContain(`${encoder}encoder.json`);
  });

  it('exports a model for other runtimes, and a card', async () => {
    const ort = await import('onnxruntime-node');
    const session = await ort.InferenceSession.create(await kept('onnx'));
    expect(session.inputNames).toEqual(['pixels']);
    await session.release();
    expect(String(await kept('card'))).toContain('12 examples, 4 of each class');
  });

  it('proposes pictures to sort next, by keyboard alone, and undoes a choice', async () => {
    const page = await browser.newPage();
    await page.goto(studio.address);
    const picture = join(at('photos'), 'blue/1.png');
    const changed = at('unsorted.png');
    await sharp(picture).modulate({ brightness: 0.9 }).toFile(changed);
    const before = studio.session.board.pictures.size;
    await page.locator('input[type=file]:not([webkitdirectory])').first().setInputFiles(changed);
    const proposal = page.locator('#next .review');
    await proposal.waitFor();
    expect(await proposal.getByRole('img').getAttribute('alt')).toBe('unsorted.png');
    await proposal.getByRole('button', { name: /^blue/ }).focus();
    await page.keyboard.press('Enter');
    await proposal.waitFor({ state: 'detached' });
    const blue = () => studio.session.board.classes.find(({ name }) => name === 'blue')?.id;
    const placed = () =>
      [...studio.session.board.pictures.values()].find(({ name }) => name === 'unsorted.png')?.classId;
    await expect.poll(placed).toBe(blue());
    expect(studio.session.board.pictures.size).toBe(before + 1);
    await page.keyboard.press('Control+z');
    await expect.poll(placed).toBe(undefined);
    await page.keyboard.press('Control+z');
    await page.close();
  });

  it('links to all exports', async () => {
    const page = await browser.newPage();
    await page.goto(studio.address);
    for (const name of ['Download the classifier', 'Web page', 'Site (zip)', 'ONNX model', 'Model card'])
      await page.getByRole('link', { name }).waitFor();
    await page.getByText('Use it elsewhere').click();
    for (const name of ['Terminal', 'Node.js', 'Python (ONNX)', 'curl']) {
      await page.getByRole('button', { name }).click();
      expect((await page.locator('.code pre').textContent())?.length).toBeGreaterThan(40);
    }
    await page.close();
  });
});
