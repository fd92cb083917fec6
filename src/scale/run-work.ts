import type { Abortable } from '../abort.ts';
import type { Queue, RunProgress, RunSummary, Work } from './work.ts';

/** Has a run done by a queue, unless it is done already, and makes its result. `before` says that an earlier run has done all. */
export async function runWork(
  work: Work,
  queue: Queue,
  { signal, onProgress }: Abortable & { onProgress?(progress: RunProgress): void } = {},
): Promise<RunSummary & { readonly before: boolean }> {
  const done = await work.begin({ signal });
  if (done) return { ...done, before: true };
  await queue.run(work, { signal, onProgress });
  return { ...(await work.finish({ signal })), before: false };
}
