import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from '../../src/engine/node.ts';
import { plainEngine } from '../../src/engine/plain.ts';
import type { Engine } from '../../src/engine/types.ts';
import { type StepNumbers, trainingStep } from '../engine-parity.ts';
import { chromiumMissing, chromiumPath, launchChromium } from './chromium.ts';
import type { EnginePage } from './page/main.ts';
import { serveFolders } from './serve.ts';

declare const page: EnginePage;
declare const crossOriginIsolated: boolean;

let expected: StepNumbers;
beforeAll(async () => {
  expected = await trainingStep(plainEngine());
});

function expectSame(got: StepNumbers): void {
  expect(Math.abs(got.loss - expected.loss)).toBeLessThan(1e-4);
  for (const name of ['gradient', 'keys', 'probabilities', 'trained'] as const) {
    expect(got[name]).toHaveLength(expected[name].length);
    const worst = Math.max(...got[name].map((value, i) => Math.abs(value - expected[name][i])));
    expect(worst, name).toBeLessThan(1e-4);
  }
}

describe('one training step in Node', () => {
  const engine: Engine = createEngine({ threads: 2 });
  afterAll(() => engine.close());

  it('is the one of the interpreter', async () => {
    expect(expected.gradient.some((value) => Math.abs(value) > 1e-2)).toBe(true);
    expectSame(await trainingStep(engine));
  });
});

describe.skipIf(!chromiumPath)(`one training step in Chromium${chromiumMissing}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'engine-page-'));
  let server: Awaited<ReturnType<typeof serveFolders>>;
  let browser: Browser;
  let alone: Page;
  let isolated: Page;

  async function open(path: string): Promise<Page> {
    const opened = await browser.newPage();
    await opened.goto(`${server.address}${path}/index.html`);
    await opened.waitForFunction(() => 'page' in globalThis);
    return opened;
  }

  beforeAll(async () => {
    await build({
      root: join(import.meta.dirname, 'page'),
      configFile: false,
      base: './',
      logLevel: 'error',
      worker: { format: 'es' },
      build: { outDir: folder, emptyOutDir: true, minify: false, target: 'esnext' },
    });
    const runtime = dirname(fileURLToPath(import.meta.resolve('onnxruntime-web/wasm')));
    server = await serveFolders({
      '/page': folder,
      '/runtime': runtime,
      '/isolated/runtime': runtime,
      '/isolated': folder,
    });
    browser = await launchChromium();
    [alone, isolated] = [await open('/page'), await open('/isolated')];
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
    rmSync(folder, { recursive: true });
  });

  it('is the one of Node, on one thread', async () => {
    expect(await alone.evaluate(() => crossOriginIsolated)).toBe(false);
    const { step, notes } = await alone.evaluate(() => page.step());
    expectSame(step);
    expect(notes).toEqual([]);
  });

  it('is the one of Node, on two threads and with the runtime from a folder', async () => {
    expect(await isolated.evaluate(() => crossOriginIsolated)).toBe(true);
    const { step } = await isolated.evaluate(() => page.step({ threads: 2, wasmPaths: './runtime/' }));
    expectSame(step);
  });

  it('falls back to the CPU with one line where there is no WebGPU', async () => {
    const { step, notes } = await alone.evaluate(() => page.step({ device: 'webgpu' }));
    expectSame(step);
    expect(notes).toHaveLength(1);
    expect(notes[0]).toMatch(/^Device webgpu cannot be used \(.+\); the CPU does the work$/);
  });

  it('never blocks the page, and stops waiting at once', async () => {
    const { seconds, longestPauseMs, interrupted } = await alone.evaluate(() => page.longRun());
    expect(seconds).toBeGreaterThan(0.2);
    expect(longestPauseMs).toBeLessThan(100);
    expect(interrupted).toBe('interrupted');
  });

  it('names a lack of memory, and goes on', async () => {
    const { code, afterwards } = await alone.evaluate(() => page.tooMuch());
    expect(code).toBe('engine/memory');
    expect(afterwards[0]).toBeCloseTo(Math.E, 5);
  });
});
