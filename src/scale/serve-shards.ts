import { InterruptedError } from '../errors.ts';
import { failureOf, type Reply, type Task } from './shard-protocol.ts';
import type { Work, WorkDescription } from './work.ts';

/** Milliseconds between two reports of progress. */
const REPORT = 1_000;

/**
 * Does the tasks of the worker that started this process, one after the other. The work of the latest run stays open. The process ends when its
 * worker does.
 */
export function serveShards(open: (description: WorkDescription) => Promise<Work>): void {
  let opened: { run: string; work: Promise<Work> } | undefined;
  let stop = new AbortController();
  const reply = (message: Reply) => process.connected && process.send?.(message);

  async function workOf(run: string, description: WorkDescription): Promise<Work> {
    if (opened?.run !== run) {
      const earlier = opened;
      opened = undefined;
      await (await earlier?.work)?.close();
      opened = { run, work: open(description) };
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
      const work = await workOf(task.run, task.description);
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
