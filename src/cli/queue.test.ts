import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { writePictures } from '../classifier/fake-encoder.fixture.ts';
import { writeSmallEncoder } from '../encoder/small-encoder.fixture.ts';
import { REDIS_SKIP, RedisServer, redisProgram } from '../scale/redis-server.fixture.ts';
import { recordingIo } from './io.fixture.ts';
import { runCli } from './program.ts';

describe.skipIf(!redisProgram)(`embed on workers${REDIS_SKIP}`, { timeout: 60_000 }, () => {
  let folder: string;
  let redis: RedisServer;
  const at = (...parts: string[]) => join(folder, ...parts);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tip-adapter-cli-queue-'));
    vi.stubEnv('TIP_ADAPTER_HOME', at('home'));
    redis = await RedisServer.start();
    await writeSmallEncoder(at('encoder'));
    await writePictures(at('photos'), { cat: 3, dog: 3 });
    await writeFile(at('photos', 'cat', 'broken.png'), 'no picture');
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await redis.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function run(...argv: string[]): Promise<{ status: number; out: string; err: string }> {
    const io = recordingIo();
    const status = await runCli(argv, io);
    return { status, out: io.out(), err: io.err() };
  }
  const embed = (output: string, ...more: string[]) =>
    run('embed', at('photos'), '-o', at(output), '--format', 'parquet', '--encoder', at('encoder'), ...more);
  /** The files of a folder of features, without the address that is in the description. */
  async function contents(output: string): Promise<Record<string, string>> {
    const names = (await readdir(at(output), { recursive: true })).filter((name) => /\.\w+$/.test(name));
    const all = names.map(async (name) => [name, (await readFile(at(output, name))).toString('base64')]);
    return Object.fromEntries(await Promise.all(all));
  }

  it('writes what one process writes, and says the same', async () => {
    const stop = new AbortController();
    const io = recordingIo({ signal: stop.signal });
    const worker = runCli(['worker', redis.address], io);
    const queued = await embed('queued', '--queue', redis.address);
    const alone = await embed('alone');
    expect(queued.status).toBe(3);
    expect(queued.err).toContain('1 of 7 pictures could not be read');
    const words = ({ out, err }: { out: string; err: string }) =>
      `${out}${err}`.replace(/in [\d.]+ m?s/, '').replaceAll(at('queued'), at('alone'));
    expect(words(queued).replace(/^No worker.*\n/m, '')).toBe(words(alone));
    expect(await contents('queued')).toEqual(await contents('alone'));
    const jobs = await run('jobs', redis.address, '--json');
    expect(JSON.parse(jobs.out)).toMatchObject({
      workers: 1,
      runs: [{ work: 'embed', state: 'done', pictures: 7, unreadable: 1, shardsLeft: 0, setAside: [] }],
    });
    const left = await embed('left', '--queue', redis.address, '--detach');
    const name = /The run (r\w+) is left to the workers/.exec(left.out)?.[1] ?? '';
    await vi.waitFor(async () => {
      expect(await contents('left')).toEqual(await contents('alone'));
    }, 20_000);
    await vi.waitFor(async () => {
      expect((await run('jobs', redis.address, name)).out).toMatch(/embed\s+done\s+7 of 7\s+1\s+0\s+0/);
    }, 20_000);
    // The worker has the earlier list still open.
    await writePictures(at('photos'), { dog: [7] });
    const more = await embed('more');
    expect(more.out).toContain('7 pictures');
    await embed('left', '--queue', redis.address, '--detach');
    await vi.waitFor(async () => {
      expect((await run('jobs', redis.address, name)).out).toMatch(/embed\s+done\s+8 of 8\s+1\s+0\s+0/);
    }, 20_000);
    expect(await contents('left')).toEqual(await contents('more'));
    const summed = ['--summary', '--method', 'prototype', '--queue', redis.address];
    const fitted = await run('fit', at('more'), '-o', at('summed.safetensors'), ...summed);
    expect(fitted.status, fitted.err).toBe(0);
    expect((await run('jobs', redis.address)).out).toMatch(/summary\s+done\s+7 rows\s+0\s+0\s+0/);
    stop.abort();
    expect(await worker).toBe(0);
    expect(io.out()).toBe('Done: 4 shards with 7 rows and 22 pictures, of which 3 could not be read\n');
  });

  it('leaves the answers of predict to the workers', async () => {
    await writePictures(at('asked'), { cat: 4, dog: 4 });
    const data = ['fit', at('asked'), '-o', at('c.safetensors'), '--encoder', at('encoder')];
    expect(await run(...data, '--method', 'prototype')).toMatchObject({ status: 0 });
    const predict = (output: string, ...more: string[]) =>
      run('predict', at('c.safetensors'), at('asked'), '-o', `${at(output)}/`, ...more);
    const left = await predict('answers', '--queue', redis.address, '--detach');
    const name = /The run (r\w+) is left to the workers/.exec(left.out)?.[1] ?? '';
    expect(left.status).toBe(0);
    expect(await run('worker', redis.address, '--once')).toMatchObject({ status: 0 });
    await predict('here');
    expect(await contents('answers')).toEqual(await contents('here'));
    expect((await run('jobs', redis.address, name)).out).toMatch(/predict\s+done\s+8 of 8\s+0\s+0\s+0/);
    const again = await predict('answers', '--queue', redis.address, '--detach');
    expect(again.out).toBe(`${at('answers')}/: written by an earlier run\n`);
    expect(await predict('x', '--detach')).toMatchObject({ status: 2 });
  });

  it('leaves the fits of a benchmark to the workers, and makes the tables later', async () => {
    for (const split of ['train', 'test']) await writePictures(at('compared', split), { cat: 4, dog: 4 });
    const choices = ['--methods', 'prototype,coop', '--shots', '1', '--seeds', '1'];
    const bench = (...more: string[]) =>
      run('bench', at('compared'), '-o', at('bench'), '--encoders', at('encoder'), ...choices, ...more);
    const detached = () => bench('--queue', redis.address, '--detach');
    const left = await detached();
    expect(left).toMatchObject({ status: 0, err: expect.stringContaining('2 of 2 fits are missing') });
    const name = /The run (r\w+) is left to the workers/.exec(left.out)?.[1] ?? '';
    expect((await run('jobs', redis.address, name)).out).toMatch(/bench\s+running\s+–\s+0\s+2\s+0/);
    expect(await run('worker', redis.address, '--once')).toMatchObject({ status: 0 });
    expect((await run('jobs', redis.address, name)).out).toMatch(/bench\s+done\s+–\s+0\s+0\s+0/);
    const tables = await detached();
    expect(tables).toMatchObject({ status: 0, err: expect.stringContaining('left out: coop') });
    expect(tables.out).toMatch(/prototype +\d/);
    expect(await bench('--detach')).toMatchObject({ status: 2 });
    await mkdir(at('empty'));
    const partial = await bench(
      ...[at('empty'), '-o', at('partial'), '--queue', redis.address, '--detach', '--json'],
    );
    expect(JSON.parse(partial.out)).toMatchObject({ fits: 2, missing: [expect.stringMatching(/^empty /)] });
    expect(partial.err).toMatch(/missing: empty .*2 of 2 fits are missing.*1 data set could not be read/s);
    expect(partial.status).toBe(3);
  });

  it('refuses what does not fit', async () => {
    expect(await embed('x', '--detach')).toMatchObject({
      status: 2,
      err: expect.stringContaining('--queue'),
    });
    const secret = await embed('x', '--queue', 'redis://user:hunter2@host');
    expect(secret.status).toBe(2);
    expect(secret.err).not.toContain('hunter2');
    expect(await run('jobs', redis.address, '--retry')).toMatchObject({ status: 2 });
    expect(await run('jobs', redis.address, 'nothing')).toMatchObject({ status: 3 });
    expect(await run('worker', 'host:6379')).toMatchObject({ status: 2 });
  });
});
