import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { CDPSession, Page } from 'playwright-core';
import sharp from 'sharp';
import { startStudio } from '../src/studio/index.ts';
import { launchChromium } from '../tests/browser/chromium.ts';
import { colourEncoder } from '../tests/studio/serve.ts';

const CLASSES = 100;
const EACH = 40;
const SIDE = 96;

/** Times of an import, in milliseconds, as the page tells them. */
interface Watched {
  readonly answered: number;
  readonly settled: number;
  /** The longest time for which the bar did not move. */
  readonly still: number;
}

/** Imports a folder of pictures through the page, and measures whether memory grows afterwards. `page` is the built page. */
export async function importing(folder: string, page: string): Promise<string[]> {
  const pictures = join(folder, 'imported');
  await writePictures(pictures);
  const studio = await startStudio({ folder: join(folder, 'importing'), page, encoder: colourEncoder });
  const browser = await launchChromium();
  try {
    await studio.session.change({ command: { do: 'set', settings: { method: 'tip-adapter', reject: 0 } } });
    const tab = await browser.newPage({ viewport: { width: 1440, height: 900 } });
    await tab.goto(studio.address);
    await tab.locator('#collect').waitFor();
    const watched = tab.evaluate(watch, CLASSES * EACH);
    await tab.locator('input[webkitdirectory]').setInputFiles(pictures);
    const { answered, settled, still } = await watched;
    const tools = await tab.context().newCDPSession(tab);
    await work(tab);
    const before = await memory(tools);
    for (let round = 0; round < ROUNDS; round++) await work(tab);
    const after = await memory(tools);
    const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
    return [
      `  ${CLASSES * EACH} pictures in ${CLASSES} classes through the page: first answer after ${seconds(answered)}, all learnt after ${seconds(settled)}`,
      `    the bar stood still for at most  ${seconds(still)}`,
      `    memory before and after ${ROUNDS} changes, each with the whole list scrolled  page ${before.page} → ${after.page} MB, program ${before.program} → ${after.program} MB`,
    ];
  } finally {
    await browser.close();
    await studio.close();
  }
}

async function writePictures(folder: string): Promise<void> {
  for (let c = 0; c < CLASSES; c++) {
    const own = join(folder, `class ${c}`);
    mkdirSync(own, { recursive: true });
    for (let i = 0; i < EACH; i++) {
      // Each picture of a class has another mean, because libvips keeps the result of an operation for the same arguments.
      const noise = { type: 'gaussian', mean: 108 + i, sigma: 30 } as const;
      await sharp({ create: { width: SIDE, height: SIDE, channels: 3, background: '#808080', noise } })
        .tint(`hsl(${(c * 360) / CLASSES},60%,50%)`)
        .jpeg()
        .toFile(join(own, `${i}.jpg`));
    }
  }
}

/** Watches an import of so many pictures until they are learnt. Runs in the page. */
function watch(pictures: number): Promise<Watched> {
  return new Promise((resolve) => {
    let [started, moved, still, answered] = [0, 0, 0, 0];
    let last: string | undefined;
    const look = () => {
      const now = performance.now();
      const bar = document.querySelector('.bringing progress');
      const told = bar && `${bar.value} of ${bar.max}`;
      if (told && !started) started = moved = now;
      if (told && told !== last) {
        still = Math.max(still, now - moved);
        moved = now;
        last = told;
      }
      if (started && !answered && document.querySelector('#answering')) answered = now - started;
      const isAll = document
        .querySelector('#collect .heading p')
        ?.innerText.startsWith(pictures.toLocaleString('en-US'));
      if (!bar && isAll && document.querySelector('.stage.done'))
        resolve({ answered, settled: now - started, still });
      else setTimeout(look, 50);
    };
    look();
  });
}
declare const document: {
  querySelector(selector: string): { innerText: string; value: number; max: number } | null;
};

const ROUNDS = 3;

/** Moves a picture and takes it back, waits until that is learnt, and scrolls the whole list. */
async function work(tab: Page): Promise<void> {
  for (const key of ['m', 'Enter', 'Control+z']) {
    if (key === 'm') await tab.locator('.thumbnail').first().focus();
    await tab.keyboard.press(key);
    await tab.waitForTimeout(100);
  }
  await tab.waitForTimeout(500);
  await tab.locator('.stage.done').waitFor({ timeout: 120_000 });
  await tab.locator('#collect .scroller').evaluate(async (list) => {
    for (
      list.scrollTop = 0;
      list.scrollTop + list.clientHeight < list.scrollHeight - 1;
      list.scrollTop += 600
    )
      await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    list.scrollTop = 0;
  });
}
declare function requestAnimationFrame(callback: (time: number) => void): number;

/** Memory after the garbage is collected: the page's objects, and the whole program. */
async function memory(tools: CDPSession): Promise<{ page: string; program: string }> {
  await tools.send('HeapProfiler.collectGarbage');
  globalThis.gc?.();
  const { usedSize } = await tools.send('Runtime.getHeapUsage');
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(0);
  return { page: megabytes(usedSize), program: megabytes(process.memoryUsage().rss) };
}
