import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import type { Classifier } from '../src/classifier/classifier.ts';
import { featureKey } from '../src/encoder/encode.ts';
import type { Encoder } from '../src/encoder/types.ts';
import { createImageLoader } from '../src/image/loader.ts';
import { matrix } from '../src/math/matrix.ts';
import { random } from '../src/math/random.ts';
import { openFeatureCache } from '../src/store/feature-cache.ts';
import { diskTeacher } from '../src/studio/disk-teacher.ts';
import { startStudio } from '../src/studio/index.ts';
import type { Lesson } from '../src/studio/lesson.ts';
import type { Session } from '../src/studio/session.ts';
import { tryPicture } from '../src/studio/trial.ts';
import { chromiumPath, launchChromium } from '../tests/browser/chromium.ts';
import { buildPage } from '../tests/build-page.ts';
import { colourEncoder } from '../tests/studio/serve.ts';
import { median } from './measure.ts';
import { importing } from './studio-import.ts';

/** Measures the studio in a real browser, with an encoder that takes no time, so that only the studio's own time is measured. */
export async function benchStudio(): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-studio-'));
  process.env.TIP_ADAPTER_HOME = join(folder, 'home');
  try {
    return [
      'Studio (the encoder takes no time here)',
      ...(chromiumPath ? await measuredPage(folder) : ['  no Chromium here: the page is not measured']),
      ...(await refitting()),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const p95 = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[Math.ceil(0.95 * values.length) - 1]!;
const spread = (values: readonly number[]) =>
  `${median(values).toFixed(1)} ms, p95 ${p95(values).toFixed(1)} ms`;

const CLASSES = 50;
const PICTURES = 5000;

async function measuredPage(folder: string): Promise<string[]> {
  const page = join(folder, 'page');
  await buildPage('studio/web', page);
  return [...(await inBrowser(folder, page)), ...(await importing(folder, page))];
}

async function inBrowser(folder: string, page: string): Promise<string[]> {
  const session = join(folder, 'session');
  await writeSession(session);
  const studio = await startStudio({ folder: session, page, encoder: colourEncoder });
  const browser = await launchChromium();
  try {
    const tab = await browser.newPage({ viewport: { width: 1440, height: 900 } });
    await tab.goto(studio.address);
    await tab.locator('.stage.done').waitFor({ timeout: 300_000 });
    const scrolling = await scroll(tab);
    const trying = await tryPictures(tab, folder, studio.session);
    return [
      `  ${PICTURES} pictures in ${CLASSES} classes: at most ${scrolling.thumbnails} thumbnails and ${scrolling.elements} elements in the document`,
      `  scripting a frame while scrolling  ${spread(scrolling.scripting)} (p95 under 8)`,
      `  from a chosen photo to its bars    ${spread(trying.shown)}`,
      `    beyond reading and embedding it  ${spread(trying.beyond)} (p95 under 50)`,
    ];
  } finally {
    await browser.close();
    await studio.close();
  }
}

/** A session of many small pictures in the studio's format, written without flushing each file. */
async function writeSession(folder: string): Promise<void> {
  const pictures = join(folder, 'pictures');
  const thumbnails = join(folder, 'thumbnails');
  mkdirSync(pictures, { recursive: true });
  mkdirSync(thumbnails, { recursive: true });
  const classes = Array.from({ length: CLASSES }, (_, c) => ({ id: `c${c}`, name: `class ${c}` }));
  const drawn = await Promise.all(
    classes.map((_, c) =>
      sharp({
        create: { width: 144, height: 144, channels: 3, background: `hsl(${(c * 360) / CLASSES},60%,50%)` },
      })
        .jpeg()
        .toBuffer(),
    ),
  );
  const board = Array.from({ length: PICTURES }, (_, i) => {
    // Bytes after the end of a JPEG make a different file with the same picture.
    const bytes = Buffer.concat([drawn[i % CLASSES]!, Buffer.from(String(i))]);
    const hash = createHash('sha256').update(bytes).digest('hex');
    writeFileSync(join(pictures, hash), bytes);
    writeFileSync(join(thumbnails, `${hash}.jpg`), drawn[i % CLASSES]!);
    return { hash, name: `${i}.jpg`, classId: `c${i % CLASSES}` };
  });
  const settings = { method: 'tip-adapter', reject: 0 };
  const base = { classes, pictures: board, settings };
  writeFileSync(join(folder, 'session.jsonl'), `${JSON.stringify({ base })}\n`);
}

const STEPS = 300;

/** Scrolls a few rows in each frame and gets the time of scripts from the browser. */
async function scroll(tab: Page) {
  const devtools = await tab.context().newCDPSession(tab);
  await devtools.send('Performance.enable');
  const scriptSeconds = async () => {
    const { metrics } = await devtools.send('Performance.getMetrics');
    return metrics.find(({ name }) => name === 'ScriptDuration')?.value ?? Number.NaN;
  };
  const scripting: number[] = [];
  let thumbnails = 0;
  let elements = 0;
  for (let step = 0; step < STEPS; step++) {
    const before = await scriptSeconds();
    await tab.locator('.scroller').evaluate(async (scroller) => {
      scroller.scrollTop += 240;
      await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    });
    scripting.push(1000 * ((await scriptSeconds()) - before));
    thumbnails = Math.max(thumbnails, await tab.locator('.thumbnail').count());
    elements = Math.max(elements, await tab.locator('*').count());
  }
  return { scripting, thumbnails, elements };
}
declare function requestAnimationFrame(callback: (time: number) => void): number;
declare class MutationObserver {
  constructor(onChange: () => void);
  observe(node: object, what: Readonly<Record<string, boolean>>): void;
  disconnect(): void;
}

const TRIALS = 60;
const WARM_UP = 10;

/**
 * Time from a photo's arrival in the page to the frame with its bars, by the page's clock; and the same time without reading and
 * embedding. The time for these is the program's whole time minus its time for a picture that is already embedded.
 */
async function tryPictures(tab: Page, folder: string, { answering }: Session) {
  const shown: number[] = [];
  const beyond: number[] = [];
  for (let i = 0; i < TRIALS; i++) {
    const path = join(folder, `photo ${i}.jpg`);
    await sharp({
      create: {
        width: 1024,
        height: 768,
        channels: 3,
        background: `hsl(${i * 6},70%,45%)`,
        noise: { type: 'gaussian', mean: 128, sigma: 20 },
      },
    })
      .jpeg()
      .toFile(path);
    const clock = tab.locator('#try').evaluate(
      (section) =>
        new Promise<{ shown: number; program: number }>((resolve) => {
          let started = 0;
          section.addEventListener(
            'change',
            () => {
              started = performance.now();
            },
            { capture: true, once: true },
          );
          const watcher = new MutationObserver(() => {
            const time = section.querySelector('[data-took]')?.getAttribute('data-took');
            if (!started || !time || time === section.getAttribute('data-last')) return;
            section.setAttribute('data-last', time);
            watcher.disconnect();
            const program = Number(time);
            requestAnimationFrame(() => resolve({ shown: performance.now() - started, program }));
          });
          watcher.observe(section, { subtree: true, childList: true, attributes: true, characterData: true });
        }),
    );
    await tab.waitForTimeout(30);
    await tab.locator('#try-file').setInputFiles(path);
    const time = await clock;
    const again = await tryPicture(answering as Classifier, 0, readFileSync(path));
    shown.push(time.shown);
    beyond.push(time.shown - time.program + again.milliseconds);
  }
  return { shown: shown.slice(WARM_UP), beyond: beyond.slice(WARM_UP) };
}

const MANY = { classes: 1000, shots: 16, dimension: 512 };
const ADDED = 40;

/** Time from adding one picture to 1,000 classes of 16 until Tip-Adapter has answered with it. */
async function refitting(): Promise<string[]> {
  const { classes, shots, dimension } = MANY;
  const encoder: Encoder = {
    ...colourEncoder,
    id: 'wide',
    fingerprint: 'b'.repeat(64),
    dimension,
    embedTexts: async (texts) => noise(texts.length, dimension, 'texts'),
  };
  const bytesOf = (i: number) => Buffer.from(`picture ${i}`);
  const total = classes * shots + ADDED + 1;
  const hashes = Array.from({ length: total }, (_, i) =>
    createHash('sha256').update(bytesOf(i)).digest('hex'),
  );
  const numbers = new Map(hashes.map((hash, i) => [hash, i]));
  const cache = openFeatureCache();
  const rows = noise(total, dimension, 'pictures');
  await cache.putMany(
    hashes.map((hash, i) => ({
      key: featureKey(hash, encoder),
      value: rows.data.slice(i * dimension, (i + 1) * dimension),
    })),
  );
  await cache.close();
  const loader = createImageLoader();
  const pictures = { read: async (hash: string) => bytesOf(numbers.get(hash)!) };
  const teacher = diskTeacher(encoder, pictures, loader);
  const lessonOf = (count: number): Lesson => ({
    classes: Array.from({ length: classes }, (_, c) => ({
      key: `${c}`,
      id: `c${c}`,
      name: `c${c}`,
      promptName: `c${c}`,
      prompts: [],
    })),
    examples: hashes.slice(0, count).map((hash, i) => ({ hash, id: `${i}`, label: i % classes, group: i })),
  });
  const settings = { method: 'auto', reject: 0 };
  const constants = { alpha: 1, beta: 5.5, temperature: 1 };
  const query = noise(1, dimension, 'query');
  const times: number[] = [];
  for (let count = total - ADDED - 1; count < total; count++) {
    const lesson = lessonOf(count);
    const started = performance.now();
    await teacher.embedLesson(lesson);
    const classifier = await teacher.live(lesson, settings, constants);
    await classifier.probabilities(query);
    times.push(performance.now() - started);
    await classifier.close();
  }
  await teacher.close();
  await loader.close();
  return [
    `  one picture more in ${classes} x ${shots}, ${dimension} numbers each, until it answers  ${spread(times.slice(1))} (under 200)`,
  ];
}

function noise(rows: number, cols: number, seed: string) {
  const draw = random('bench-studio', seed);
  return matrix(
    rows,
    cols,
    Float32Array.from({ length: rows * cols }, () => draw.uniform() - 0.5),
  );
}
