import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { interpreterEngine } from '../../src/engine/interpreter-engine.ts';
import { createEngine } from '../../src/engine/node.ts';
import type { Engine } from '../../src/engine/types.ts';
import { type StepNumbers, trainedKeys, trainingStep } from '../engine-parity.ts';
import { chromiumMissing, chromiumPath, launchChromium, SOFTWARE_WEBGPU } from './chromium.ts';
import type { EnginePage } from './page/main.ts';
import { serveFolders } from './serve.ts';

declare const page: EnginePage;
declare const crossOriginIsolated: boolean;
declare const navigator: { readonly gpu?: { requestAdapter(): Promise<object | null> } };

let expected: StepNumbers;
let expectedKeys: number[];
beforeAll(async () => {
  expected = await trainingStep(interpreterEngine());
  expectedKeys = await trainedKeys(interpreterEngine());
});

function expectClose(got: readonly number[], wanted: readonly number[]): void {
  expect(got).toHaveLength(wanted.length);
  expect(Math.max(...got.map((value, i) => Math.abs(value - wanted[i]!)))).toBeLessThan(1e-4);
}

function expectSame(got: StepNumbers): void {
  expectClose([got.loss], [expected.loss]);
  for (const name of ['gradient', 'keys', 'probabilities'] as const) expectClose(got[name], expected[name]);
}

describe('one training step in Node', () => {
  const engine: Engine = createEngine({ threads: 2 });
  afterAll(() => engine.close());

  it('equals that of the interpreter', async () => {
    expect(expected.gradient.some((value) => Math.abs(value) > 1e-2)).toBe(true);
    expectSame(await trainingStep(engine));
  });

  it('continues as in the interpreter, block by block', async () => {
    expectClose(await trainedKeys(engine), expectedKeys);
  });
});

describe.skipIf(!chromiumPath)(`one training step in Chromium${chromiumMissing}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'engine-page-'));
  let server: Awaited<ReturnType<typeof serveFolders>>;
  let browser: Browser;
  let alone: Page;
  let isolated: Page;

  async function open(path: string, from = browser): Promise<Page> {
    const opened = await from.newPage();
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

  it('equals that in Node, on one thread', async () => {
    expect(await alone.evaluate(() => crossOriginIsolated)).toBe(false);
    const { step, notes } = await alone.evaluate(() => page.step());
    expectSame(step);
    expect(notes).toEqual([]);
  });

  it('equals that in Node, on two threads and with the runtime from a folder', async () => {
    expect(await isolated.evaluate(() => crossOriginIsolated)).toBe(true);
    const { step } = await isolated.evaluate(() => page.step({ threads: 2, wasmPaths: './runtime/' }));
    expectSame(step);
  });

  it('continues as in Node, block by block', async () => {
    expectClose(await isolated.evaluate(() => page.training()), expectedKeys);
  });

  it('falls back to the CPU and prints one line without WebGPU', async () => {
    const { step, notes } = await alone.evaluate(() => page.step({ device: 'webgpu' }));
    expectSame(step);
    expect(notes).toHaveLength(1);
    expect(notes[0]).toMatch(/^Device webgpu cannot be used \(.+\); the CPU replaces it$/);
  });

  it('equals that in Node on WebGPU, computed in software', async (context) => {
    const accelerated = await launchChromium(SOFTWARE_WEBGPU);
    try {
      const opened = await open('/page', accelerated);
      const adapter = await opened.evaluate(() => navigator.gpu?.requestAdapter());
      if (!adapter) return context.skip('this Chromium has no WebGPU in software');
      const { step, notes } = await opened.evaluate(() => page.step({ device: 'webgpu' }));
      expect(notes).toEqual([]);
      expectSame(step);
    } finally {
      await accelerated.close();
    }
  });

  it('never blocks the page, and stops waiting at once', { retry: 2 }, async () => {
    const { seconds, longestPauseMs, interrupted } = await alone.evaluate(() => page.longRun());
    expect(seconds).toBeGreaterThan(0.2);
    expect(longestPauseMs).toBeLessThan(100);
    expect(interrupted).toBe('interrupted');
  });

  it('reports a lack of memory and continues', async () => {
    const { code, afterwards } = await alone.evaluate(() => page.tooMuch());
    expect(code).toBe('engine/memory');
    expect(afterwards[0]).toBeCloseTo(Math.E, 5);
  });
});
