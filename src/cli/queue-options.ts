import { UsageError } from '../errors.ts';
import { flag, optional, text, type ValuesOf } from '../options.ts';
import type { Queue, RunProgress } from '../scale/work.ts';
import { count, number, plural } from '../words.ts';
import type { Io, ProgressState } from './io.ts';

/** Options of commands whose work can be done by workers on other machines. */
export const queueOptions = {
  queue: optional(
    text({
      value: '<redis>',
      help: 'Leave the work to the workers that are connected to this Redis (redis://host:6379). TIP_ADAPTER_REDIS_USER and TIP_ADAPTER_REDIS_PASSWORD hold the user and the password.',
    }),
  ),
  detach: flag({ help: 'With --queue: do not wait for the workers. One of them makes the result.' }),
} as const;

export async function checkQueue({ queue, detach }: ValuesOf<typeof queueOptions>): Promise<void> {
  if (queue !== undefined) {
    const { parseRedisAddress } = await import('../scale/redis.ts');
    parseRedisAddress(queue);
  } else if (detach) {
    throw new UsageError('--detach needs --queue', {
      code: 'usage',
      hint: 'Give the address of Redis, for example --queue redis://127.0.0.1:6379.',
    });
  }
}

/** The queue on Redis. A note is printed when the connection is lost and when there is no worker. */
export async function openQueue(address: string, detach: boolean, io: Io): Promise<Queue & AsyncDisposable> {
  const { openBullQueue } = await import('../scale/bull-queue.ts');
  return openBullQueue(
    address,
    {
      detach,
      onConnection: (lost) =>
        io.note(
          lost === undefined ? 'Redis is there again' : `Redis is away: ${lost}. The run waits for it.`,
        ),
      onNoWorker: () =>
        io.note(`No worker is connected. Start one, here or elsewhere: tip-adapter worker ${address}`),
    },
    { signal: io.signal },
  );
}

/** The progress of a run for a bar. */
export function barState({ pictures, total, kept, failures }: RunProgress): ProgressState {
  const facts = [
    ...(kept > 0 ? [`${count(kept, 'part')} of an earlier run`] : []),
    ...(failures > 0 ? [`${number(failures)} unreadable${kept > 0 ? ' in the others' : ''}`] : []),
  ];
  return { done: pictures, total, facts: facts.join(', ') || undefined };
}

/** Notes the objects of a store that are not part of the result. */
export function tellLeftOut({ leftOut }: { readonly leftOut: number }, io: Io): void {
  if (leftOut === 0) return;
  const left = plural(leftOut, 'object is', 'objects are');
  io.note(`${number(leftOut)} ${left} left out, because the names are not those of pictures or archives.`);
}

/** Prints the state of a run that is left to workers. */
export function tellSubmitted(
  { run, before }: { readonly run: string; readonly before: boolean },
  { output, redis }: { output: string; redis: string },
  io: Io,
): void {
  io.print(before ? `${output}: written by an earlier run` : `The run ${run} is left to the workers`);
  if (!before) io.note(`Its progress: tip-adapter jobs ${redis} ${run}`);
}
