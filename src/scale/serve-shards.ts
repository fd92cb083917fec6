import { InterruptedError } from '../errors.ts';
import { failureOf } from '../failure.ts';
import type { Reply, RunStart, Task } from './shard-protocol.ts';
import type { Work, WorkDescription } from './work.ts';

/** Milliseconds between two reports of progress. */
const REPORT = 1_000;

/**
 * Does the tasks of the worker that started this process, one after the other. The work of the latest run stays open, until the run is started
 * again. The process ends when its worker does.
 */
export function serveShards(open: (description: WorkDescription) => Promise<Work>): void {
  let opened: { start: string; work: Promise<Work> } | undefined;
  let stop = new AbortController();
  const reply = (message: Reply) => process.connected && process.send?.(message);

  async function close(): Promise<void> {
    const earlier = opened;
    opened = undefined;
    await (await earlier?.work)?.close();
  }

  async function workOf({ run, started, description }: RunStart): Promise<Work> {
    const start = `${run} ${started}`;
    if (opened?.start !== start) {
      await close();
      opened = { start, work: open(description) };
    }
    const { work } = opened;
    work.catch(() => {
      opened = undefined;
    });
    return work;
  }

  async function run(task: Exclude<Task, { kind: 'stop' }>): Promise<Reply> {
    stop = new AbortController();
    const { signal } = stop;
    try {
      // The result is made of the pictures as they are now.
      if (task.kind === 'finish') await close();
      const work = await workOf(task.run);
      if (signal.aborted) throw new InterruptedError();
      if (task.kind === 'finish') return { kind: 'finish', summary: await work.finish({ signal }) };
      let reported = performance.now();
      const onProgress = (pictures: number) => {
        if (performance.now() - reported < REPORT) return;
        reported = performance.now();
        reply({ kind: 'progress', pictures });
      };
      return { kind: 'shard', outcome: await work.run(task.shard, { signal, onProgress }) };
    } catch (error) {
      // The pictures are listed again at the next attempt.
      if ((error as { code?: string }).code === 'scale/changed') await close();
      return { kind: 'failure', error: failureOf(error) };
    }
  }

  process.on('message', async (task: Task) => {
    if (task.kind === 'stop') stop.abort();
    else reply(await run(task));
  });
  // process.exit() would wait for a library's computation on another thread.
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
  // Signals of a terminal or service manager to the whole group are ignored: the worker ends this process.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});
  reply({ kind: 'ready' });
}
