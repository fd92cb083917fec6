import { setTimeout as sleep } from 'node:timers/promises';
import { DataError, throwIfAborted } from '../errors.ts';
import { hashOf } from '../store/checksum.ts';
import { openStore } from '../store/open-store.ts';
import type { Work, WorkDescription } from './work.ts';

/** Work of shards of ten pictures with an encoder that only waits. Each shard reads one object and writes one. */
export interface Waiting extends WorkDescription {
  readonly source: string;
  readonly target: string;
  readonly shards: number;
  /** Milliseconds for a shard. */
  readonly ms: number;
  /** Numbers of shards that end their process, their worker and its process, or that fail. */
  readonly deadly: readonly number[];
  readonly deadlier: readonly number[];
  readonly failing: readonly number[];
  /** Numbers of shards that fail at their first attempt. */
  readonly flaky: readonly number[];
}

export function waiting(given: Partial<Waiting> & Pick<Waiting, 'source' | 'target'>): Waiting {
  return { kind: 'embed', shards: 10, ms: 0, deadly: [], deadlier: [], failing: [], flaky: [], ...given };
}

/** The content of a source object. */
const contentOf = (n: number): Uint8Array =>
  new TextEncoder().encode(Array.from({ length: 50 }, (_, i) => hashOf(`${n} ${i}`)).join('\n'));

export async function writeSource(address: string, shards: number): Promise<void> {
  const store = openStore(address);
  const all = Array.from({ length: shards }, (_, n) => n);
  while (all.length > 0)
    await Promise.all(all.splice(0, 50).map((n) => store.put(`objects/${n}`, contentOf(n))));
}

/** The work on this description, as a worker and a producer open it. */
export async function openWaitingWork(description: WorkDescription): Promise<Work> {
  const { source, target, shards, ms, deadly, deadlier, failing, flaky } = description as Waiting;
  const from = openStore(source, { retryDelay: 10 });
  const to = openStore(target, { retryDelay: 10 });
  const tried = openStore(`${target}-tried`);
  const idOf = (n: number) => hashOf(`shard ${n}`);
  const keyOf = (id: string) => `shards/${hashOf('waiting', id).slice(0, 32)}`;
  return {
    id: hashOf('waiting'),
    description,
    pictures: 10 * shards,
    async *shards() {
      for (let n = 0; n < shards; n++)
        yield { id: idOf(n), pointer: n, pictures: 10, name: `${n}/first to ${n}/last` };
    },
    resultKey: ({ id }) => keyOf(id),
    async finished() {
      const found = new Set<string>();
      for await (const { key } of to.list('shards/')) found.add(key);
      return found;
    },
    begin: async () => undefined,
    async run({ id, pointer }, { signal, onProgress } = {}) {
      const n = pointer as number;
      const started = performance.now();
      const outcome = { pictures: 10, failures: n % 3 === 0 ? 1 : 0, bytesRead: 1 };
      if (await to.find(keyOf(id))) return { ...outcome, seconds: 0 };
      const bytes = await from.read(`objects/${n}`, { signal });
      onProgress?.(5);
      if (deadly.includes(n)) process.kill(process.pid, 'SIGKILL');
      if (deadlier.includes(n)) process.kill(process.ppid, 'SIGKILL');
      const again =
        flaky.includes(n) && (await tried.put(`${n}`, bytes, { onlyIfAbsent: true })) === 'already there';
      if (failing.includes(n) || (flaky.includes(n) && !again))
        throw new DataError('No space is left', { code: 'disk/full' });
      await sleep(deadlier.includes(n) ? 1e9 : ms, undefined, { signal }).catch(() => throwIfAborted(signal));
      await to.put(keyOf(id), new TextEncoder().encode(`${hashOf(bytes)}\n`.repeat(10)), {
        onlyIfAbsent: true,
      });
      return { ...outcome, seconds: (performance.now() - started) / 1000 };
    },
    async finish() {
      const parts: Uint8Array[] = [];
      for (let n = 0; n < shards; n++) parts.push(await to.read(keyOf(idOf(n))));
      await to.put('result', Buffer.concat(parts));
      return { shards, pictures: 10 * shards, failures: Math.ceil(shards / 3) };
    },
    close: async () => {},
  };
}
