import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { workspace } from '../../src/classifier/fake-encoder.fixture.ts';
import { type Classifier, fit } from '../../src/classifier/index.ts';
import { sampleDataset } from '../../src/dataset/sample-dataset.ts';
import { writeSmallEncoder } from '../../src/encoder/small-encoder.fixture.ts';
import { exportWeb } from '../../src/export/index.ts';
import { findingsOfAxe } from '../browser/axe.ts';
import { chromiumMissing, chromiumPath, launchChromium } from '../browser/chromium.ts';
import { sharedPage } from '../build-page.ts';

const at = workspace();
const TITLE = '<script>alert(1)</script> & "things"';

/** A threshold between the probabilities of the answers, which are small for many classes and a small encoder. */
const REJECT = 0.07;

describe.skipIf(!chromiumPath)(`an exported page in Chromium${chromiumMissing}`, () => {
  let classifier: Classifier;
  let browser: Browser;
  let page: Page;
  const asked: string[] = [];
  const complaints: string[] = [];

  beforeAll(async () => {
    classifier = await fit(await sampleDataset(), {
      encoder: await writeSmallEncoder(at('encoder')),
      method: 'tip-adapter',
      tune: 'fixed',
      alpha: 3,
      beta: 8,
      reject: REJECT,
    });
    const { bytes } = await exportWeb(classifier, { title: TITLE, page: await sharedPage('export/page') });
    writeFileSync(at('things.html'), bytes);
    browser = await launchChromium([
      '--disable-gpu',
      '--use-fake-device-for-media-stream',
      '--use-fake-ui-for-media-stream',
    ]);
    const context = await browser.newContext({ offline: true, viewport: { width: 900, height: 800 } });
    page = await context.newPage();
    page.on('request', (request) => asked.push(request.url()));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    await page.goto(pathToFileURL(at('things.html')).href);
    await page.waitForSelector('body[data-ready]');
  });
  afterAll(async () => {
    await browser?.close();
    await classifier?.close();
  });

  async function probabilities(path: string): Promise<number[]> {
    await page.setInputFiles('#file', path);
    const bars = page.locator('.bars[data-probabilities]');
    await bars.waitFor();
    return JSON.parse((await bars.getAttribute('data-probabilities')) as string);
  }

  async function expected(path: string): Promise<number[]> {
    const { predictions } = await classifier.predict([path]);
    const { ranking } = predictions[0]!;
    return classifier.data.classes.map(
      ({ id }) => ranking.find((one) => one.id === id)?.probability as number,
    );
  }

  /** The same picture in different formats of cameras and programs. */
  async function variants(): Promise<Record<string, string>> {
    const width = 90;
    const drawn = (channels: 3 | 4) =>
      sharp(
        Uint8Array.from(
          { length: width * 60 * channels },
          (_, i) => (Math.floor(i / channels / 7) * 37 + (i % channels) * 60) % 256,
        ),
        { raw: { width, height: 60, channels } },
      );
    const [noise, alpha] = [drawn(3), drawn(4)];
    const made = {
      'plain.png': noise.clone().png(),
      'palette.png': noise.clone().png({ palette: true, colours: 16 }),
      'alpha.png': alpha.clone().png(),
      'photo.jpg': noise.clone().jpeg({ quality: 95 }),
      'turned.jpg': noise.clone().withMetadata({ orientation: 6 }).jpeg({ quality: 95 }),
      'wide.jpg': noise.clone().withIccProfile('p3').jpeg({ quality: 95 }),
      'grey.png': noise.clone().greyscale().png(),
      'deep.png': noise.clone().toColourspace('rgb16').png(),
      'picture.webp': noise.clone().webp({ lossless: true }),
      'picture.gif': noise.clone().gif(),
    };
    for (const [name, picture] of Object.entries(made)) await picture.toFile(at(name));
    const known = classifier.data.examples.slice(0, 3).map(({ id }, i) => [`example ${i}`, id] as const);
    return {
      ...Object.fromEntries(Object.keys(made).map((name) => [name, at(name)])),
      ...Object.fromEntries(known),
    };
  }

  it('gives the answers of predict, without a network', async () => {
    const things = await sampleDataset();
    const answers = new Set<string>();
    for (const [name, path] of Object.entries(await variants())) {
      const file = name.startsWith('example') ? join(things, path) : path;
      const [got, wanted] = [await probabilities(file), await expected(file)];
      const worst = Math.max(...got.map((p, c) => Math.abs(p - wanted[c]!)));
      expect(worst, name).toBeLessThan(1e-3);
      answers.add(wanted.map((p) => p.toFixed(2)).join());
    }
    // If all pictures had the same answer, the comparison would prove nothing.
    expect(answers.size).toBeGreaterThan(5);
    // The only requests are for the page itself and for its embedded worker and pictures.
    expect(asked.filter((url) => !/^(file|blob|data):/.test(url))).toEqual([]);
    expect(complaints).toEqual([]);
  });

  it('shows names as text, and "none of these" below the threshold', async () => {
    expect(await page.title()).toBe(TITLE);
    expect(await page.locator('h1').textContent()).toBe(TITLE);
    const names = classifier.data.classes.map(({ name }) => name);
    const things = await sampleDataset();
    const rejected = new Set<boolean>();
    for (const path of [at('plain.png'), ...classifier.data.examples.map(({ id }) => join(things, id))]) {
      const got = await probabilities(path);
      const sure = Math.max(...got);
      const wanted = sure < REJECT ? 'none of these' : names[got.indexOf(sure)];
      expect(await page.locator('.status').textContent()).toBe(wanted);
      rejected.add(sure < REJECT);
      if (rejected.size === 2) break;
    }
    expect(rejected).toEqual(new Set([true, false]));
  });

  it('reports a file that is not a picture, and continues', async () => {
    writeFileSync(at('notes.txt'), 'no picture');
    await page.setInputFiles('#file', at('notes.txt'));
    await page.getByText('This browser cannot read the picture: notes.txt').waitFor();
    expect((await probabilities(at('plain.png'))).length).toBe(classifier.data.classes.length);
  });

  it('classifies camera images until it is stopped', async () => {
    await page.getByRole('button', { name: 'Use the camera' }).click();
    await page.locator('video').waitFor();
    await page.locator('.bars[data-probabilities]').waitFor();
    await page.getByRole('button', { name: 'Stop the camera' }).click();
    expect(await page.locator('video').count()).toBe(0);
  });

  it('has no finding of axe, of any severity, in light and dark, on a phone', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width: 390, height: 800 });
      await probabilities(at('plain.png'));
      expect(await findingsOfAxe(page)).toEqual([]);
      if (process.env.SCREENSHOTS)
        await page.screenshot({ path: join(process.env.SCREENSHOTS, `page-${colorScheme}.png`) });
      expect(await page.evaluate(() => document.documentElement.scrollWidth <= 390)).toBe(true);
    }
  });
});

declare const document: { documentElement: { scrollWidth: number } };
