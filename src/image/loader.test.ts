import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import sharp from 'sharp';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createImageLoader, type ImageLoader } from './loader.ts';
import type { Preprocessing } from './types.ts';

const spec: Preprocessing = {
  resize: 'shortest',
  resizeTo: 16,
  crop: 16,
  filter: 'bicubic',
  channels: 'rgb',
  layout: 'nchw',
  scale: 1,
  mean: [0, 0, 0],
  std: [1, 1, 1],
};
const request = { spec, views: [0], seed: 1 };
const png = await sharp({ create: { width: 40, height: 30, channels: 3, background: '#c04020' } })
  .png()
  .toBuffer();

describe('a loader', () => {
  const loaders: ImageLoader[] = [];
  const open = (threads = 1) => {
    const loader = createImageLoader({ threads });
    loaders.push(loader);
    return loader;
  };
  afterEach(async () => {
    vi.restoreAllMocks();
    await Promise.all(loaders.splice(0).map((loader) => loader.close()));
  });

  it('takes only the picture out of a larger buffer, and leaves it to its owner', async () => {
    const sent = vi.spyOn(Worker.prototype, 'postMessage');
    const archive = new Uint8Array(1_000_000);
    archive.set(png, 500_000);
    const [pixels] = await open().load(archive.subarray(500_000, 500_000 + png.length), request);
    expect([...pixels.data.subarray(0, 3)]).toEqual([0xc0, 0x40, 0x20]);
    expect(archive.length).toBe(1_000_000);
    const [{ bytes }] = sent.mock.calls[0] as [{ bytes: Uint8Array }];
    expect(bytes.buffer).not.toBe(archive.buffer);
    expect(bytes.buffer.byteLength, 'transferred').toBe(0);
  });

  it('replaces a thread that dies, and names what became of its picture', async () => {
    const loader = open();
    const sent = vi.spyOn(Worker.prototype, 'postMessage');
    const lost = loader.load(png, request);
    const next = loader.load(png, request);
    await (sent.mock.contexts[0] as Worker).terminate();
    await expect(lost).rejects.toMatchObject({ code: 'image/decoder-died', exitCode: 3 });
    expect((await next)[0].data.length).toBe(16 * 16 * 3);
    expect(new Set(sent.mock.contexts).size).toBe(2);
  });

  it('replaces a thread that goes on with a picture no one waits for any more', async () => {
    const loader = open();
    const sent = vi.spyOn(Worker.prototype, 'postMessage').mockImplementationOnce(() => {});
    const leaving = new AbortController();
    const hanging = loader.load(png, request, leaving.signal);
    const next = loader.load(png, request);
    leaving.abort();
    await expect(hanging).rejects.toMatchObject({ code: 'interrupted' });
    expect((await next)[0].data.length).toBe(16 * 16 * 3);
    expect(new Set(sent.mock.contexts).size).toBe(2);
  });

  it('keeps a thread that soon comes to the end of such a picture', async () => {
    const loader = open();
    await loader.load(png, request);
    const sent = vi.spyOn(Worker.prototype, 'postMessage');
    const leaving = new AbortController();
    const left = loader.load(png, request, leaving.signal);
    leaving.abort();
    await expect(left).rejects.toMatchObject({ code: 'interrupted' });
    await loader.load(png, request);
    await new Promise((resolve) => setTimeout(resolve, 1200));
    await loader.load(png, request);
    expect(new Set(sent.mock.contexts).size).toBe(1);
  });

  it('interrupts what runs and what waits when it is closed, and takes nothing more', async () => {
    const loader = open();
    const jobs = [loader.load(png, request), loader.load(png, request)];
    const settled = Promise.allSettled(jobs);
    await loader.close();
    for (const job of [...(await settled)])
      expect(job).toMatchObject({ status: 'rejected', reason: { code: 'interrupted' } });
    await expect(loader.load(png, request)).rejects.toMatchObject({ code: 'image-loader/closed' });
  });

  it('lets a program end that did not close it, and prints nothing of its own', async () => {
    const program = `
      import { readFileSync } from 'node:fs';
      import { createImageLoader } from '${new URL('loader.ts', import.meta.url)}';
      const heic = readFileSync(new URL('${new URL('../../tests/fixtures/two-colours.heic', import.meta.url)}'));
      const loader = createImageLoader();
      const request = ${JSON.stringify(request)};
      const refused = await loader.load(heic.subarray(0, 300), request).catch(({ code }) => code);
      process.stdout.write(refused + ' ' + (await loader.load(heic, request)).length);
    `;
    const folder = await mkdtemp(join(tmpdir(), 'loader-'));
    const path = join(folder, 'program.mjs');
    try {
      await writeFile(path, program);
      const flags = [...process.execArgv, path];
      const { stdout } = await promisify(execFile)(process.execPath, flags, { timeout: 30_000 });
      expect(stdout).toBe('image/truncated 1');
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('tells a wrong call from a wrong picture', async () => {
    const tooLarge = { ...request, spec: { ...spec, crop: 32 } };
    await expect(open().load(png, tooLarge)).rejects.toMatchObject({ code: 'image/crop', exitCode: 2 });
  });
});
