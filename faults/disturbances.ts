import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { openBullQueue } from '../src/scale/bull-queue.ts';
import type { RedisServer } from '../src/scale/redis-server.fixture.ts';
import { openWaitingWork, type Waiting } from '../src/scale/waiting-work.fixture.ts';
import type { Work } from '../src/scale/work.ts';
import type { WorkerProcess } from '../src/scale/workers.fixture.ts';
import { freePort } from '../src/store/s3-server.fixture.ts';
import { count } from '../src/words.ts';

/** Seconds for which the network is cut. */
const CUT = 30;
/** Milliseconds after which a silent worker loses its shard. */
export const LOCK = 5_000;
/** Milliseconds by which the clock of a worker is wrong. */
const SKEW = 3_600_000;

/** A run that is disturbed: its workers, and what is known of it. */
export interface Disturbed {
  readonly redis: RedisServer;
  readonly work: Work;
  readonly workers: Set<WorkerProcess>;
  start(options?: { address?: string; env?: Record<string, string> }): WorkerProcess;
  /** Whether the run has ended. */
  ended(): boolean;
}

export interface Disturbance {
  readonly about: string;
  readonly given?: Partial<Waiting>;
  /** Number of workers at the start. */
  readonly workers?: number;
  /** Disturbs the run. Returns what was done, in words. */
  harm(run: Disturbed, draw: (n: number) => number): Promise<string>;
}

const ready = ({ workers }: Disturbed) => [...workers].filter(({ events }) => events.length > 0);

/** What happens to the workers, Redis, the network and clocks during a run. */
export const disturbances: readonly Disturbance[] = [
  {
    about: 'a random worker is killed every second',
    workers: 4,
    async harm(run, draw) {
      let killed = 0;
      while (!run.ended()) {
        await sleep(1_000);
        const all = ready(run);
        // The last one is left, because on a busy machine a worker takes longer than a second to start.
        if (all.length < 2) continue;
        all[draw(all.length)]!.child.kill('SIGKILL');
        killed++;
        run.start();
      }
      return `${count(killed, 'worker')} killed`;
    },
  },
  {
    about: 'Redis stops and starts',
    async harm(run) {
      let stops = 0;
      for (; stops < 4; stops++) {
        await sleep(2_000);
        if (run.ended()) break;
        await run.redis.stop();
        await sleep(2_000);
        await run.redis.start();
      }
      return `${count(stops, 'stop')} of 2 s, as by a power failure`;
    },
  },
  {
    about: `the network to one worker is cut for ${CUT} s`,
    given: { ms: 600 },
    workers: 1,
    async harm(run) {
      const proxy = await startCuttableProxy(run.redis.address);
      const cut = run.start({ address: proxy.address });
      await cut.ready;
      await sleep(2_000);
      proxy.cut(true);
      const before = done(cut);
      await sleep(CUT * 1_000);
      const during = done(cut) - before;
      proxy.cut(false);
      while (!run.ended() && done(cut) - before === during) await sleep(200);
      const after = done(cut) - before - during;
      while (!run.ended()) await sleep(200);
      proxy.close();
      return `the cut worker did ${before} shards before, ${during} during and ${after} or more after it`;
    },
  },
  {
    about: 'a worker is stopped for longer than its lock, again and again',
    given: { ms: 300 },
    async harm(run) {
      const [slow] = run.workers;
      let stops = 0;
      while (!run.ended()) {
        slow!.child.kill('SIGSTOP');
        await sleep(2 * LOCK);
        slow!.child.kill('SIGCONT');
        stops++;
        await sleep(1_000);
      }
      return `${count(stops, 'stop')} of ${(2 * LOCK) / 1000} s, with locks of ${LOCK / 1000} s`;
    },
  },
  {
    about: 'a shard kills its process, another one its worker, a third one fails',
    given: { deadly: [20], deadlier: [40], failing: [60] },
    async harm(run) {
      let started = 0;
      while (!run.ended()) {
        for (; run.workers.size < 2; started++) run.start();
        await sleep(100);
      }
      return `${count(started, 'worker')} started in place of those that died`;
    },
  },
  {
    about: 'two producers of one run',
    async harm(run) {
      const queue = await openBullQueue(run.redis.address);
      const second = await openWaitingWork(run.work.description);
      await queue.run(second);
      await second.finish();
      await queue.close();
      return 'both ended well';
    },
  },
  {
    about: 'one worker has a clock that is an hour ahead, and one a clock that is an hour behind',
    given: { flaky: [10, 30, 50, 70, 90] },
    workers: 1,
    async harm(run) {
      const skewed = (by: number) => run.start({ env: { NODE_OPTIONS: clock(by) } });
      const [ahead, behind] = [skewed(SKEW), skewed(-SKEW)];
      while (!run.ended()) await sleep(200);
      return `they did ${done(ahead)} and ${done(behind)} shards, and five shards failed once`;
    },
  },
];

/** Number of shards that a worker has done. */
export const done = ({ events }: WorkerProcess) => events.filter(({ event }) => event === 'shard').length;

/** A flag of Node that makes the clock wrong in a process and in those that it starts. */
function clock(by: number): string {
  const code = `const now=Date.now;Date.now=()=>now()+(${by});const D=Date;globalThis.Date=class extends D{constructor(...a){a.length?super(...a):super(D.now())}};`;
  return `--import data:text/javascript,${encodeURIComponent(code)}`;
}

/** A way to Redis on which all bytes can be held back, as by a network that is cut. */
async function startCuttableProxy(
  address: string,
): Promise<{ address: string; cut(on: boolean): void; close(): void }> {
  const { port } = new URL(address);
  const sockets = new Set<Socket>();
  let isCut = false;
  const server: Server = createServer((near) => {
    const far = connect(Number(port), '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('data', (data) => isCut || to.write(data));
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        if (!isCut) to.destroy();
      });
    }
  });
  const own = await freePort();
  await new Promise<void>((resolve) => server.listen(own, '127.0.0.1', resolve));
  return {
    address: `redis://127.0.0.1:${own}`,
    cut(on) {
      isCut = on;
      // What was held back is lost, so that connections of before the cut cannot go on.
      if (!on) for (const socket of sockets) socket.destroy();
    },
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
