import type { Abortable } from '../abort.ts';
import { runOf } from './run-record.ts';
import type { Queue, RunProgress, RunSummary, Work } from './work.ts';

/**
 * Has a run done by a queue, unless it is done already, and makes its result. `before` says that an earlier run has done all, and `leftOut`
 * how many objects of the source are neither pictures nor archives.
 */
export async function runWork(
  work: Work,
  queue: Queue,
  { signal, onProgress }: Abortable & { onProgress?(progress: RunProgress): void } = {},
): Promise<RunSummary & { readonly before: boolean; readonly leftOut: number }> {
  queue.check?.(work);
  const done = await work.begin({ signal });
  const leftOut = () => work.leftOut?.() ?? 0;
  if (done) return { ...done, before: true, leftOut: leftOut() };
  await queue.run(work, { signal, onProgress });
  const summary = await work.finish({ signal });
  await queue.finished?.(work, summary);
  return { ...summary, before: false, leftOut: leftOut() };
}

/**
 * Leaves a run to a queue of workers and does not wait for it, unless the run is done already. Returns the name of the run, by which
 * `openJobs` shows it, and whether an earlier run has done all.
 */
export async function submitWork(
  work: Work,
  queue: Queue,
  { signal, onProgress }: Abortable & { onProgress?(progress: RunProgress): void } = {},
): Promise<{ run: string; before: boolean; leftOut: number }> {
  queue.check?.(work);
  const before = (await work.begin({ signal })) !== undefined;
  if (!before) await queue.run(work, { signal, onProgress });
  return { run: runOf(work), before, leftOut: work.leftOut?.() ?? 0 };
}
