import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { built } from '../../tests/built.ts';
import { startDecoder } from './decoder.ts';
import { decodersOf, isRunning, memoryOf } from './decoders.fixture.ts';
import { createImageLoader, type ImageLoader, type LoaderOptions } from './loader.ts';
import { pngOf } from './png.fixture.ts';
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

/** A picture of a few kilobytes that takes about a second to decode. */
const slow = await sharp({ create: { width: 9000, height: 9000, channels: 3, background: '#c04020' } })
  .png({ progressive: true })
  .toBuffer();

const linux = process.platform === 'linux';
const until = <T>(check: () => T, timeout = 5000) => vi.waitFor(check, { timeout, interval: 20 });

const loaders: ImageLoader[] = [];
const open = (options: LoaderOptions = {}) => {
  const loader = createImageLoader({ decoders: 1, ...options });
  loaders.push(loader);
  return loader;
};
afterEach(async () => {
  await Promise.all(loaders.splice(0).map((loader) => loader.close()));
});

describe('a loader', () => {
  it("reads only the picture's part of a larger buffer, and does not transfer the buffer", async () => {
    const archive = new Uint8Array(1_000_000);
    archive.set(png, 500_000);
    const pixels = (await open().load(archive.subarray(500_000, 500_000 + png.length), request))[0]!;
    expect([...pixels.data.subarray(0, 3)]).toEqual([0xc0, 0x40, 0x20]);
    expect(archive.length).toBe(1_000_000);
  });

  it('gives each picture its own answer, whichever decoder is faster', async () => {
    const loader = open({ decoders: 2 });
    const levels = Array.from({ length: 40 }, (_, i) => 5 * i + 1);
    const pictures = levels.map((r) =>
      sharp({ create: { width: r % 3 ? 40 : 900, height: 30, channels: 3, background: { r, g: 0, b: 0 } } })
        .png()
        .toBuffer(),
    );
    const loaded = await Promise.all(
      (await Promise.all(pictures)).map((bytes) => loader.load(bytes, { ...request, views: [0, 1] })),
    );
    expect(loaded.map((views) => views.map(({ data }) => data[0]))).toEqual(levels.map((r) => [r, r]));
  });

  it.skipIf(!linux)(
    'keeps its processes from picture to picture, and ends them when it is closed',
    async () => {
      const loader = open({ decoders: 2 });
      await Promise.all([1, 2, 3, 4, 5].map(() => loader.load(png, request)));
      const before = decodersOf();
      expect(before).toHaveLength(2);
      await Promise.all([1, 2, 3, 4, 5].map(() => loader.load(png, request)));
      expect(decodersOf().sort()).toEqual(before.sort());
      await loader.close();
      expect(before.filter(isRunning)).toEqual([]);
    },
  );

  it.skipIf(!linux)('replaces a process that dies, and reports the error of its picture', async () => {
    const loader = open();
    await loader.load(png, request);
    const lost = loader.load(slow, request);
    const next = loader.load(png, request);
    const killed: number[] = [];
    const kill = async () => {
      const pid = await until(() => decodersOf().find((one) => !killed.includes(one)) ?? expect.fail());
      await until(() => expect(memoryOf(pid)).toBeGreaterThan(130e6));
      killed.push(pid);
      process.kill(pid, 'SIGSEGV');
    };
    await kill();
    await kill();
    await expect(lost).rejects.toMatchObject({ code: 'image/decoder-died', exitCode: 3 });
    expect((await next)[0]!.data.length).toBe(16 * 16 * 3);
  });

  it.skipIf(!linux)('replaces an idle process that has ended', async () => {
    const loader = open();
    await loader.load(png, request);
    const pid = decodersOf()[0]!;
    process.kill(pid, 'SIGKILL');
    await until(() => expect(isRunning(pid)).toBe(false));
    expect((await loader.load(png, request))[0]!.data.length).toBe(16 * 16 * 3);
  });

  it.skipIf(!linux)('ends a process if no caller waits for its picture any more', async () => {
    const loader = open();
    await loader.load(png, request);
    const pid = decodersOf()[0]!;
    const leaving = new AbortController();
    const left = loader.load(slow, request, { signal: leaving.signal });
    const next = loader.load(png, request);
    leaving.abort();
    await expect(left).rejects.toMatchObject({ code: 'interrupted' });
    await until(() => expect(isRunning(pid)).toBe(false), 600);
    expect((await next)[0]!.data.length).toBe(16 * 16 * 3);
  });

  it.skipIf(!linux)('keeps the process if it soon finishes such a picture', async () => {
    const loader = open();
    await loader.load(png, request);
    const pid = decodersOf()[0]!;
    const leaving = new AbortController();
    const left = loader.load(png, request, { signal: leaving.signal });
    leaving.abort();
    await expect(left).rejects.toMatchObject({ code: 'interrupted' });
    await loader.load(png, request);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(decodersOf()).toEqual([pid]);
  });

  it('interrupts running and waiting pictures when it is closed, and accepts no others', async () => {
    const loader = open();
    const jobs = [loader.load(png, request), loader.load(png, request)];
    const settled = Promise.allSettled(jobs);
    await loader.close();
    for (const job of [...(await settled)])
      expect(job).toMatchObject({ status: 'rejected', reason: { code: 'interrupted' } });
    await expect(loader.load(png, request)).rejects.toMatchObject({ code: 'image-loader/closed' });
  });
});

describe('the limits of a picture', () => {
  it('apply to its time, and the next picture is decoded', async () => {
    const loader = open({ seconds: 0.05 });
    await expect(loader.load(slow, request)).rejects.toMatchObject({
      code: 'image/too-slow',
      message: 'The picture takes longer than 0.05 s to decode',
      exitCode: 3,
    });
    const patient = open();
    expect(await patient.load(slow, request)).toHaveLength(1);
  });

  it('apply to its memory, and the error names it', async () => {
    const decoder = startDecoder({ memory: 200e6 });
    await decoder.ready;
    const job = { kind: 'load', ...request } as const;
    expect(await decoder.run(job, png)).toHaveLength(1);
    const refused = decoder.run(job, slow);
    if (process.platform === 'win32') await expect(refused).rejects.toMatchObject({ exitCode: 3 });
    else
      await expect(refused).rejects.toMatchObject({
        code: 'image/too-much-memory',
        message: 'The picture needs more memory than the 200 MB that a decoder may take',
        exitCode: 3,
      });
    expect(decoder.alive).toBe(false);
  });

  it('apply to its pixels and its sides', async () => {
    const loader = open({ maxPixels: 1000 });
    await expect(loader.load(png, request)).rejects.toMatchObject({ code: 'image/too-large' });
    // 99 megapixels in 289 KB, whose rows alone would take gigabytes.
    const row = pngOf({ width: 99_000_000, height: 1, colourType: 2 });
    await expect(open().load(row, request)).rejects.toMatchObject({
      code: 'image/too-large',
      message: 'The picture has 99000000 x 1 pixels; the limit of a side is 100000',
    });
    for (const [width, height] of [
      [100_000, 1],
      [1, 100_000],
    ] as const) {
      const narrow = pngOf({ width, height, colourType: 2 });
      expect((await open().load(narrow, { ...request, views: [0, 1, 2] }))[2]!.data.length).toBe(16 * 16 * 3);
    }
  });

  it('are not exceeded by texts and profiles that unpack to gigabytes', async () => {
    const bomb = pngOf({ width: 8, height: 8, colourType: 2, texts: 20, bytesOfText: 50_000_000 });
    expect(bomb.length).toBeLessThan(1.1e6);
    const loader = open({ seconds: 1 });
    await loader.load(png, request);
    expect((await loader.load(bomb, request))[0]!.data).toEqual(new Uint8Array(16 * 16 * 3));
  });
});

describe('a machine that cannot decode', () => {
  const { execPath } = process;
  afterEach(() => {
    process.execPath = execPath;
  });

  it('is reported as such if no process can be started', async () => {
    process.execPath = join(tmpdir(), 'no-such-program');
    const loader = open();
    const all = [loader.load(png, request), loader.load(png, request)];
    for (const refused of all)
      await expect(refused).rejects.toMatchObject({
        code: 'image/no-decoder',
        message: expect.stringMatching(/^Pictures cannot be decoded here: .*ENOENT/),
        exitCode: 1,
      });
    process.execPath = execPath;
    expect(await loader.load(png, request)).toHaveLength(1);
  });
});

describe('a program that decodes', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'loader-'));
    await writeFile(join(folder, 'slow.png'), slow);
  });
  afterAll(() => rm(folder, { recursive: true }));

  const heic = new URL('../../tests/fixtures/two-colours.heic', import.meta.url);
  const flagsOf = async (name: string, program: string) => {
    const path = join(folder, `${name}.mjs`);
    const head = `
      import { readFileSync } from 'node:fs';
      import { createImageLoader } from '${pathToFileURL(built('src/image/loader.ts'))}';
      const heic = readFileSync(new URL('${heic}'));
      const slow = readFileSync('${join(folder, 'slow.png')}');
      const loader = createImageLoader({ decoders: 1 });
      const request = ${JSON.stringify(request)};
      const told = (error) => process.stdout.write(error.code + ' ' + error.message);
    `;
    await writeFile(path, head + program);
    return [path];
  };

  it('can end without closing the loader, and prints no messages of libraries', async () => {
    const flags = await flagsOf(
      'ends',
      `const refused = await loader.load(heic.subarray(0, 300), request).catch(({ code }) => code);
       process.stdout.write(refused + ' ' + (await loader.load(heic, request)).length);`,
    );
    const { stdout, stderr } = await promisify(execFile)(process.execPath, flags, { timeout: 30_000 });
    expect([stdout, stderr]).toEqual(['image/truncated 1', '']);
  });

  it.skipIf(!linux).each([
    ['in libvips', 'loader.load(slow, request)'],
    ['in WebAssembly', 'setInterval(() => loader.load(heic, request), 1)'],
    ['at leisure', 'setInterval(() => {}, 1000)'],
  ])('leaves no process behind when it is killed while its decoder is %s', async (_, work) => {
    const flags = await flagsOf(
      'killed',
      `await loader.load(heic, request); ${work}; setTimeout(() => process.stdout.write('at work'), 100);`,
    );
    const program = spawn(process.execPath, flags, { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(program.stdout, 'data');
    const pid = decodersOf(program.pid)[0]!;
    expect(isRunning(pid)).toBe(true);
    program.kill('SIGKILL');
    await until(() => expect(isRunning(pid)).toBe(false), 2000);
  });

  it.skipIf(!linux)('survives signals that are sent to its decoders, too', async () => {
    const loader = open();
    await loader.load(png, request);
    const answer = loader.load(slow, request);
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(decodersOf()[0]!, signal);
    expect(await answer).toHaveLength(1);
  });

  it('says that sharp is missing, and not that the picture is damaged', async () => {
    const hook = join(folder, 'without-sharp.mjs');
    const resolve = `export const resolve = (name, context, next) => {
      if (name !== 'sharp') return next(name, context);
      throw new Error('Could not load the "sharp" module using the linux-x64 runtime\\nPossible solutions: …');
    }`;
    await writeFile(
      hook,
      `import { register } from 'node:module'; register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(resolve)}`)});`,
    );
    const flags = await flagsOf(
      'without',
      'await loader.load(heic, request).catch(told); await loader.close();',
    );
    // The decoder, too, gets the hook from the environment.
    const env = { ...process.env, NODE_OPTIONS: `--import ${pathToFileURL(hook)}` };
    const { stdout } = await promisify(execFile)(process.execPath, flags, { env });
    expect(stdout).toBe(
      'image/no-decoder Pictures cannot be decoded here: Could not load the "sharp" module using the linux-x64 runtime',
    );
  });

  it.skipIf(!linux)(
    'says that there are too many open files, and not that the picture is damaged',
    async () => {
      const flags = await flagsOf(
        'files',
        `import { openSync } from 'node:fs';
       try { for (;;) openSync('/dev/null', 'r'); } catch {}
       await loader.load(heic, request).catch(told); await loader.close();`,
      );
      const shell = ['-c', 'ulimit -n 200; exec "$0" "$@"', process.execPath, ...flags];
      const { stdout } = await promisify(execFile)('sh', shell);
      expect(stdout).toMatch(/^image\/no-decoder Pictures cannot be decoded here: .*EMFILE/);
    },
  );
});
