import { readFileSync } from 'node:fs';

/**
 * Milliseconds of a clock that stops while this process's main thread waits for a processor (on Linux; elsewhere it never stops). It measures what
 * the thread takes for work of its own, also while other programs use the processors. Idle time counts as usual.
 */
export function threadClock(): number {
  if (process.platform !== 'linux') return performance.now();
  return performance.now() - Number(readFileSync('/proc/self/schedstat', 'utf8').split(' ')[1]) / 1e6;
}
