import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fit } from '../src/classifier/index.ts';
import { readDataset } from '../src/dataset/read.ts';
import { sampleDataset } from '../src/dataset/sample-dataset.ts';
import { loadEncoder } from '../src/encoder/load.ts';
import { sharedEngine } from '../src/engine/shared.ts';
import { decodersOf } from '../src/image/decoders.fixture.ts';
import { createImageLoader } from '../src/image/loader.ts';
import type { Pixels, Preprocessing } from '../src/image/types.ts';
import { PHOTOS as PHOTOS_FOLDER, photoPaths, tinyClip } from './inputs.ts';
import type { Load, LoadResult } from './load.ts';
import { alternate, median, ratio } from './measure.ts';

const ENCODER = 'resnet50-minilm';
const ROUNDS = 5;
const PHOTOS = 100;
const SATURATING = 16;
/** Number of photos in a round, large enough that the first and last requests of each connection can be ignored. */
const SERVED = 200;

/** Photos per second over HTTP, alternating with the bare encoder on prepared pixels. */
export async function benchServing(): Promise<string[]> {
  const { paths, what } = await photoPaths(PHOTOS);
  const encoder = await loadEncoder(ENCODER, { engine: sharedEngine() });
  const pixels = await decoded(paths, encoder.preprocessing);
  return serving(ENCODER, async ({ url, send, read, decoding, mainThread }) => {
    const computing = { bare: [] as number[], served: [] as number[] };
    /** Seconds of computing of the processes that decode, of the one that sends, and of the server's main thread. */
    const others = { decoding: [] as number[], asking: [] as number[], main: [] as number[] };
    const counting = async (name: keyof typeof computing, work: () => Promise<unknown>) => {
      const seconds = name === 'bare' ? ownSeconds : () => read('process_cpu_seconds_total');
      const before = await seconds();
      await work();
      computing[name].push((await seconds()) - before);
    };
    const load = { url, pictures: paths, connections: SATURATING, amount: SERVED };
    // Milliseconds for each photo while every connection has a pending request.
    const saturated: number[] = [];
    const times = await alternate(
      {
        bare: () => counting('bare', () => encoder.embedImages(pixels)),
        served: () =>
          counting('served', async () => {
            const before = { decoding: decoding(), main: mainThread() };
            const { saturated: rate, cpu } = await send(load);
            saturated.push(1000 / rate);
            others.decoding.push(decoding() - before.decoding);
            others.main.push(mainThread() - before.main);
            others.asking.push(cpu);
          }),
      },
      ROUNDS,
    );
    await encoder.close();
    const bare = {
      wall: times.bare.map((t) => t / PHOTOS),
      cpu: computing.bare.slice(1).map(perPhoto(PHOTOS)),
    };
    const served = { wall: saturated.slice(1), cpu: computing.served.slice(1).map(perPhoto(SERVED)) };
    const [decoders, asked, main] = [others.decoding, others.asking, others.main].map((values) =>
      values.slice(1).map(perPhoto(SERVED)),
    ) as [number[], number[], number[]];
    const threads = served.cpu.map((own, i) => own - main[i]!);
    const all = served.cpu.map((own, i) => own + decoders[i]! + asked[i]!);
    const share = (values: readonly number[]) =>
      `${Math.round(100 * median(values.map((v, i) => v / all[i]!)))}%`;
    const each = (values: readonly number[]) => `${median(values).toFixed(1)} ms`;
    return [
      `Server at saturation, ${SATURATING} connections, ${what}, ${ENCODER}, ${ROUNDS} rounds of ${SERVED}`,
      `  bare encoder, pixels ready  ${each(bare.wall)} a photo, ${each(bare.cpu)} of computing`,
      `  served                      ${each(served.wall)} a photo, ${each(served.cpu)} of computing`,
      `  of all computing, ${each(all)} a photo: encoder and score in their threads ${share(threads)} (${each(threads)}), HTTP, copies and the rest of the main thread ${share(main)} (${each(main)}), decoding and resizing ${share(decoders)} (${each(decoders)}), the clients ${share(asked)} (${each(asked)})`,
      `  throughput ${ratio(bare.wall, served.wall)} of the bare encoder's (at least 0.80); by computing alone ${ratio(bare.cpu, served.cpu)}`,
    ];
  });
}

/** Seconds of many photos as milliseconds of one. */
const perPhoto = (photos: number) => (seconds: number) => (1000 * seconds) / photos;

const ownSeconds = async () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

const OVERLOAD = 10;
const OVERLOAD_SECONDS = 60;
/** Number of pictures that wait in the server's queue. Their connections send nothing meanwhile. */
const QUEUE = 64;

/** Ten times the server's capacity, for a minute. */
export async function benchOverload(): Promise<string[]> {
  const { paths, what } = await photoPaths(PHOTOS);
  return serving(ENCODER, async ({ url, send, memory }) => {
    const full = await send({ url, pictures: paths, connections: SATURATING, amount: PHOTOS });
    const speed = PHOTOS / full.seconds;
    // One request per second for each connection, with spare connections for those that wait.
    const rate = QUEUE + Math.ceil(OVERLOAD * speed);
    const marks = [await memory()];
    const watching = setInterval(async () => marks.push(await memory()), 5000);
    const { took, errors } = await send({
      url,
      pictures: paths,
      connections: rate,
      rate,
      seconds: OVERLOAD_SECONDS,
    });
    clearInterval(watching);
    const { 200: answered = [], ...others } = took;
    const refused = Object.values(others).flat();
    const times = (answered.length + refused.length) / OVERLOAD_SECONDS / speed;
    const after = await send({ url, pictures: paths, connections: SATURATING, amount: PHOTOS });
    return [
      `Server asked for ${times.toFixed(1)} times what it can do for ${OVERLOAD_SECONDS} s, ${rate} connections, ${what}`,
      `  answered  ${answered.length} (${(answered.length / OVERLOAD_SECONDS).toFixed(1)} a second, ${speed.toFixed(1)} without overload); p50 ${quantile(answered, 0.5)}, p99 ${quantile(answered, 0.99)} (deadline 10 s)`,
      `  refused   ${refused.length} (${counts(others)}); p50 ${quantile(refused, 0.5)}, p99 ${quantile(refused, 0.99)}; without an answer ${errors}`,
      `  resident memory every 5 s  ${marks.map((mark) => mark.toFixed(0)).join(', ')} MiB`,
      `  afterwards ${(PHOTOS / after.seconds).toFixed(1)} a second, ${after.took[200]?.length} of ${PHOTOS} answered`,
    ];
  });
}

const ENDURANCE = 100_000;
const MARKS = 10;

/** A hundred thousand requests to a small encoder, which take some minutes. */
export async function benchEndurance(): Promise<string[]> {
  const tiny = tinyClip();
  if (!tiny) return ['Server, many requests: skipped, the tiny CLIP is not there'];
  const { paths, what } = await photoPaths(PHOTOS);
  try {
    return await serving(tiny.folder, async ({ url, send, memory }) => {
      const marks: number[] = [];
      let seconds = 0;
      let answered = 0;
      for (let mark = 0; mark < MARKS; mark++) {
        const amount = ENDURANCE / MARKS;
        const part = await send({ url, pictures: paths, connections: SATURATING, amount });
        seconds += part.seconds;
        answered += part.took[200]?.length ?? 0;
        marks.push(await memory());
      }
      return [
        `Server, ${answered} requests answered of ${ENDURANCE} on the tiny CLIP, ${what}: ${(answered / seconds).toFixed(0)} a second`,
        `  resident memory after each tenth  ${marks.map((mark) => mark.toFixed(0)).join(', ')} MiB`,
      ];
    });
  } finally {
    tiny.done();
  }
}

interface Serving {
  readonly url: string;
  send(load: Load): Promise<LoadResult>;
  /** Seconds of computing of the processes that decode pictures (on Linux, else NaN). */
  decoding(): number;
  /** Seconds of computing of the server's main thread (on Linux, else NaN). */
  mainThread(): number;
  /** One of the server's metrics. */
  read(metric: string): Promise<number>;
  /** Its resident memory, MiB. */
  memory(): Promise<number>;
}

/** Fits a classifier and serves it in a second process. A third process sends requests. */
async function serving(encoder: string, measure: (served: Serving) => Promise<string[]>): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-server-'));
  const asking = fork(new URL('load.ts', import.meta.url));
  const asked = died(asking, 'asks');
  asked.catch(() => {});
  let server: ChildProcess | undefined;
  try {
    const path = join(folder, 'photos.safetensors');
    await fitPhotos(encoder, path);
    const main = join(import.meta.dirname, '../src/cli/main.ts');
    const args = [...process.execArgv, main, 'serve', path, '--port', '0'];
    server = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    const line = once(createInterface(server.stdout as NodeJS.ReadableStream), 'line');
    const [address] = await Promise.race([line, died(server, 'serves')]);
    const read = async (metric: string) => {
      const metrics = await (await fetch(`${address}/metrics`)).text();
      return Number(new RegExp(`^${metric} (.*)$`, 'm').exec(metrics)?.[1]);
    };
    return await measure({
      url: `${address}/v1/models/photos/predict`,
      send: async (load) => {
        asking.send(load);
        const [answer] = await Promise.race([once(asking, 'message'), asked]);
        return answer;
      },
      read,
      decoding: () => secondsOf(() => decodersOf(server?.pid)),
      mainThread: () => secondsOf(() => [`${server?.pid}/task/${server?.pid}`]),
      memory: async () => (await read('process_resident_memory_bytes')) / 2 ** 20,
    });
  } finally {
    asking.kill();
    server?.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Ticks of the clock in a second, by which Linux counts the time of processes. */
const TICKS = 100;

/** Seconds of computing of processes (`<pid>`) or threads (`<pid>/task/<id>`) so far: fields 14 and 15 of `/proc/<one>/stat`. Field 2 may contain spaces. */
function secondsOf(ones: () => readonly (string | number)[]): number {
  if (process.platform !== 'linux') return Number.NaN;
  const ticks = ones().map((one) => {
    const fields = readFileSync(`/proc/${one}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return Number(fields[11]) + Number(fields[12]);
  });
  return ticks.reduce((sum, value) => sum + value, 0) / TICKS;
}

/** Rejects when the process ends. */
async function died(child: ChildProcess, does: string): Promise<never> {
  const [status, signal] = await once(child, 'exit');
  throw new Error(`The process that ${does} ended with ${status ?? signal}`);
}

const SHOTS = 4;

async function fitPhotos(encoder: string, path: string): Promise<void> {
  const real = join(PHOTOS_FOLDER, 'caltech101');
  const classifier = await fit(await readDataset(existsSync(real) ? real : await sampleDataset()), {
    encoder,
    shots: SHOTS,
    method: 'tip-adapter',
    tune: 'fixed',
    thumbnails: false,
  });
  await classifier.save(path);
  await classifier.close();
}

async function decoded(paths: readonly string[], spec: Preprocessing): Promise<Pixels[]> {
  const loader = createImageLoader();
  const loaded = paths.map((path) => loader.load(readFileSync(path), { spec, views: [0], seed: 1 }));
  const pixels = (await Promise.all(loaded)).flat();
  await loader.close();
  return pixels;
}

const counts = (took: LoadResult['took']) =>
  Object.entries(took)
    .map(([status, times]) => `${times.length} with ${status}`)
    .join(', ');

function quantile(values: readonly number[], share: number): string {
  const sorted = [...values].sort((a, b) => a - b);
  const at = sorted[Math.ceil(share * sorted.length) - 1];
  return at === undefined ? 'none' : `${at.toFixed(0)} ms`;
}
