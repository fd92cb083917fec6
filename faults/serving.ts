import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import type { Load, LoadResult } from '../bench/load.ts';
import { Place } from './program.ts';

/** A server in its own process on 127.0.0.1, and another process that sends requests. */
export interface Served {
  readonly address: string;
  readonly place: Place;
  readonly predict: string;
  send(load: Omit<Load, 'url'>): Promise<LoadResult>;
  /** Its resident memory, MiB. */
  memory(): Promise<number>;
}

/** The measurements and the faults. */
export interface Report {
  readonly lines: readonly string[];
  readonly faults: number;
}

/** Fits a classifier with a small encoder, serves it, and stops the server. Any other end of the server is a fault. */
export async function serving(
  args: readonly string[],
  work: (served: Served) => Promise<{ lines: string[]; wrong: Record<string, number> }>,
): Promise<Report> {
  const place = await new Place(await mkdtemp(join(tmpdir(), 'faults-serving-'))).prepare();
  const asking = fork(new URL('../bench/load.ts', import.meta.url));
  try {
    const encoder = place.path('encoder');
    await place.run([
      'fit',
      place.path('photos'),
      '-o',
      'pets.safetensors',
      '--encoder',
      encoder,
      '--tune',
      'fixed',
      '--method',
      'tip-adapter',
    ]);
    const running = place.start(['serve', 'pets.safetensors', '--port', '0', ...args], { patience: 3600 });
    const address = await running.line;
    if (address === undefined) throw new Error(`The server does not start: ${(await running.ended).stderr}`);
    const predict = `${address}/v1/models/pets/predict`;
    const memory = async () => {
      const metrics = await (await fetch(`${address}/metrics`)).text();
      return Number(/^process_resident_memory_bytes (.*)$/m.exec(metrics)?.[1]) / 2 ** 20;
    };
    const { lines, wrong } = await work({
      address,
      place,
      predict,
      memory,
      send: async (load) => {
        asking.send({ url: predict, ...load });
        const [answer] = await once(asking, 'message');
        return answer;
      },
    });
    running.child.kill('SIGTERM');
    const { status, signal, stderr } = await running.ended;
    const unexpected = stderr.split('\n').filter((line) => line.includes('"unexpected"'));
    const all = { ...wrong, 'ended badly': status === 0 ? 0 : 1, 'unexpected errors': unexpected.length };
    const counts = Object.entries(all).map(([name, n]) => `${name} ${n}`);
    return {
      lines: [
        ...lines,
        `  ${counts.join(', ')}${status === 0 ? '' : ` (${signal ?? status})`}`,
        ...unexpected.slice(0, 3),
      ],
      faults: Object.values(all).reduce((sum, n) => sum + n, 0),
    };
  } finally {
    asking.kill();
    await place.remove();
  }
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.ceil(share * sorted.length) - 1] ?? 0;
}

const OVERLOAD = 10;
const OVERLOAD_SECONDS = 60;
/** Number of connections that the server always has capacity for. */
const FEW = 8;
/** Number of pictures that wait in the server's queue. Their connections send nothing meanwhile. */
const QUEUE = 64;
/** The server's deadline plus the time of transfer. */
const DEADLINE_MS = 10_000 + 1000;
/** Limit of memory growth: the waiting pictures, and memory that the runtime keeps. */
const GROWTH = 1.5;

/** Ten times the server's capacity for a minute, with large photos, so that few connections are enough. */
export function runOverload(): Promise<Report> {
  return serving([], async ({ place, send, memory }) => {
    const photo = place.path('photo.jpg');
    await writeFile(photo, await largePhoto());
    const full = await send({ pictures: [photo], connections: FEW, amount: 60 });
    const speed = 60 / full.seconds;
    const before = await memory();
    const marks: number[] = [];
    const watching = setInterval(() => memory().then((mark) => marks.push(mark)), 5000);
    const connections = QUEUE + Math.ceil(OVERLOAD * speed);
    const { took, errors } = await send({
      pictures: [photo],
      connections,
      rate: connections,
      seconds: OVERLOAD_SECONDS,
    });
    clearInterval(watching);
    const { 200: answered = [], 503: refused = [], ...others } = took;
    const after = await send({ pictures: [photo], connections: FEW, amount: 60 });
    const load = (answered.length + refused.length) / OVERLOAD_SECONDS / speed;
    const most = Math.max(...marks);
    return {
      lines: [
        `Overload: ${load.toFixed(1)} times what the server can do (${speed.toFixed(1)} photos of 12 megapixels a second) for ${OVERLOAD_SECONDS} s, ${connections} connections`,
        `  answered ${answered.length}, p50 ${quantile(answered, 0.5).toFixed(0)} ms, p99 ${quantile(answered, 0.99).toFixed(0)} ms; refused ${refused.length}, p50 ${quantile(refused, 0.5).toFixed(0)} ms, p99 ${quantile(refused, 0.99).toFixed(0)} ms`,
        `  memory ${before.toFixed(0)} MiB before, at most ${most.toFixed(0)} MiB; afterwards ${(60 / after.seconds).toFixed(1)} photos a second`,
      ],
      wrong: {
        'without an answer': errors,
        'other answers': Object.values(others).flat().length,
        'later than the deadline': answered.filter((ms) => ms > DEADLINE_MS).length,
        'not answered afterwards': 60 - (after.took[200]?.length ?? 0),
        'memory grown': Number(most > GROWTH * before + 300),
      },
    };
  });
}

/** A photo of 12 megapixels with random content. */
function largePhoto(): Promise<Buffer> {
  const noise = { type: 'gaussian', mean: 128, sigma: 40 } as const;
  return sharp({ create: { width: 500, height: 375, channels: 3, background: 'grey', noise } })
    .resize(4000, 3000)
    .jpeg()
    .toBuffer();
}

const MARKS = 10;

/** Sends many requests in sequence on each of sixteen connections. All must be answered, and memory must not grow. */
export function runEndurance({ rounds }: { rounds: number }): Promise<Report> {
  return serving([], async ({ place, send, memory }) => {
    const pictures = ['red', 'green', 'blue'].map((kind) => place.path('photos', kind, '0.png'));
    const marks: number[] = [];
    let answered = 0;
    let seconds = 0;
    for (let mark = 0; mark < MARKS; mark++) {
      const part = await send({ pictures, connections: 16, amount: Math.ceil(rounds / MARKS) });
      answered += part.took[200]?.length ?? 0;
      seconds += part.seconds;
      marks.push(await memory());
    }
    const asked = MARKS * Math.ceil(rounds / MARKS);
    return {
      lines: [
        `Endurance: ${answered} of ${asked} requests answered, ${(answered / seconds).toFixed(0)} a second`,
        `  memory after each tenth ${marks.map((mark) => mark.toFixed(0)).join(', ')} MiB`,
      ],
      wrong: {
        'not answered': asked - answered,
        'memory grown': Number(marks.at(-1)! > GROWTH * marks[1]!),
      },
    };
  });
}
