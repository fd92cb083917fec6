import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import { writeSmallEncoder } from '../src/encoder/small-encoder.fixture.ts';
import { openBullQueue } from '../src/scale/bull-queue.ts';
import { embed } from '../src/scale/embed.ts';
import { openJobs } from '../src/scale/jobs.ts';
import { RedisServer } from '../src/scale/redis-server.fixture.ts';
import { median, ratio } from './measure.ts';

const SHARDS = 2;
const PICTURES = 1000;
const ROUNDS = 3;

const root = join(import.meta.dirname, '..');
const LOADER = ['--import', join(root, 'tests/typescript.mjs')];

/**
 * Embeds pictures in one process, by one worker and by two workers, each of which has one core. The encoder is tiny, so that the pictures' way
 * weighs more than with a real one.
 */
export async function benchScale(): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'tip-adapter-scale-'));
  const at = (name: string) => join(folder, name);
  const redis = await RedisServer.start();
  try {
    await writeSmallEncoder(at('encoder'));
    await writePhotos(at('photos'), SHARDS * PICTURES);
    await writePhotos(at('warm'), 8);
    const times: Record<string, number[]> = { alone: [], one: [], two: [] };
    let travelled = '';
    for (let round = 0; round < ROUNDS; round++) {
      times.alone!.push(await alone(at, `alone-${round}`));
      for (const [name, cores] of [
        ['one', [0]],
        ['two', [0, 1]],
      ] as const) {
        const measured = await onWorkers(redis, at, `${name}-${round}`, cores);
        times[name]!.push(measured.seconds);
        travelled = measured.travelled;
      }
    }
    const { alone: inProcess, one, two } = times as Record<'alone' | 'one' | 'two', number[]>;
    const rate = (seconds: readonly number[]) =>
      `${Math.round((SHARDS * PICTURES) / median(seconds))} pictures a second`;
    return [
      `Embedding ${SHARDS * PICTURES} photos of 320 x 240 in ${SHARDS} shards with a tiny encoder, ${ROUNDS} rounds; each process has one core`,
      `  in one process               ${rate(inProcess)}`,
      `  one worker through Redis     ${rate(one)}   ${ratio(inProcess, one)} x one process (at least 0.95)`,
      `  two workers                  ${rate(two)}   ${ratio(one, two)} x one worker (at least 1.9)`,
      `  bytes of a picture           ${travelled}`,
    ];
  } finally {
    await redis.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Photos of noise. Each thousandth name ends a shard. */
async function writePhotos(folder: string, n: number): Promise<void> {
  mkdirSync(folder);
  const photos = await Promise.all(
    Array.from({ length: 50 }, (_, seed) =>
      sharp({
        create: {
          width: 320,
          height: 240,
          channels: 3,
          background: 'grey',
          noise: { type: 'gaussian', mean: 128, sigma: 20 + seed },
        },
      })
        .jpeg()
        .toBuffer(),
    ),
  );
  for (let i = 0; i < n; i++) {
    const stem = String(i).padStart(5, '0');
    let name = `${stem}.jpg`;
    if (i % PICTURES === PICTURES - 1)
      for (let k = 0; crc32(name) % 1000 !== 0; k++) name = `${stem}-${k}.jpg`;
    // The bytes differ, because equal pictures are encoded once.
    writeFileSync(
      join(folder, name),
      Buffer.concat([photos[i % photos.length]!, Buffer.from(`${folder} ${i}`)]),
    );
  }
}

/** Starts a program on some cores, with an empty cache of features. */
function start(cores: string, at: (name: string) => string, name: string, argv: string[]): ChildProcess {
  const env = { ...process.env, TIP_ADAPTER_HOME: at(`home-${name}`) };
  return spawn('taskset', ['-c', cores, process.execPath, ...LOADER, ...argv], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

async function alone(at: (name: string) => string, name: string): Promise<number> {
  const part = join(root, 'bench/scale-part.ts');
  const child = start('0', at, name, [part, at('encoder'), at('warm'), at('photos'), at(name)]);
  let out = '';
  child.stdout!.on('data', (text) => {
    out += text;
  });
  const [status] = await once(child, 'close');
  if (status !== 0) throw new Error(`embed ended with status ${status}`);
  return Number(out);
}

async function onWorkers(
  redis: RedisServer,
  at: (name: string) => string,
  name: string,
  cores: readonly number[],
): Promise<{ seconds: number; travelled: string }> {
  const main = join(root, 'src/cli/main.ts');
  const workers = cores.map((core) =>
    start(String(core), at, `${name}-${core}`, [main, 'worker', redis.address, '--threads', '1']),
  );
  await Promise.all(workers.map(({ stderr }) => once(stderr!, 'data')));
  const queue = await openBullQueue(redis.address);
  const options = { encoder: at('encoder'), format: 'parquet', unlabelled: true, queue } as const;
  // Every worker opens the encoder before the time is taken.
  for (const core of cores) await embed(at('warm'), { ...options, output: at(`${name}-warm-${core}`) });
  const started = performance.now();
  await embed(at('photos'), { ...options, output: at(name) });
  const seconds = (performance.now() - started) / 1000;
  await queue.close();
  for (const worker of workers) {
    worker.kill('SIGTERM');
    await once(worker, 'exit');
  }
  const jobs = await openJobs(redis.address);
  const [{ bytes = 0, pictures = 1 } = {}] = await jobs.list();
  await jobs.close();
  const results = join(at(name), 'shards');
  const written = readdirSync(results).reduce((sum, file) => sum + statSync(join(results, file)).size, 0);
  const each = (total: number) => Math.round(total / pictures).toLocaleString('en');
  return {
    seconds,
    travelled: `${each(bytes)} read, ${each(written)} written (24 numbers, name and sha256)`,
  };
}
