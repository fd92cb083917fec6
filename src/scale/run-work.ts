import type { Abortable } from '../abort.ts';
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
