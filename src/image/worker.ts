/**
 * The process that decodes pictures for a program. It reads jobs from stdin and writes their results to stdout, one after the
 * other. It ends when the program ends, or when it exceeds its memory limit.
 */
import { failureOf } from '../failure.ts';
import { type Answer, type DecoderSettings, OUT_OF_MEMORY } from './decoder-protocol.ts';
import { frameOf, frameReader } from './frames.ts';
import type { Job } from './jobs.ts';

/** Interval of memory checks while a picture is decoded, in milliseconds. */
const WATCH = 20;

/** If more bytes than this are held outside the heap, they are freed at once: the next picture may come much later. */
const LARGE = 2 ** 26;

const { memory } = JSON.parse(process.argv[2]!) as DecoderSettings;
const write = process.stdout.write.bind(process.stdout);
const end = (signal: NodeJS.Signals = 'SIGKILL') => process.kill(process.pid, signal);

/** Libraries print messages about damaged pictures, but stdout must carry only answers. */
for (const method of ['log', 'info', 'debug', 'warn', 'error'] as const) console[method] = () => {};

function answer(header: Answer, parts: readonly Uint8Array[] = []): void {
  for (const piece of frameOf({ header, parts })) write(piece);
}

function failure(error: unknown): Answer {
  return { kind: 'failure', error: failureOf(error) };
}

// process.exit() would wait for a library's computation on another thread.
const orphaned = () => end();
process.stdin.on('end', orphaned).on('error', orphaned);
process.stdout.on('error', orphaned);

// Signals of a terminal or service manager to the whole group are ignored: the program ends its decoders.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});

const jobs = await import('./jobs.ts').catch((error) => answer(failure(error)));
if (jobs) {
  const work = async (job: Job, bytes: Uint8Array) => {
    // Libraries compute on other threads, so this timer runs meanwhile.
    const watch = setInterval(() => process.memoryUsage.rss() > memory && end(OUT_OF_MEMORY), WATCH);
    try {
      answer({ kind: 'results' }, await jobs.runJob(job, bytes));
    } catch (error) {
      answer(failure(error));
    }
    clearInterval(watch);
    if (process.memoryUsage().external > LARGE) globalThis.gc?.();
  };
  process.stdin.on(
    'data',
    frameReader<Job>(({ header, parts }) => void work(header, parts[0]!)),
  );
  answer({ kind: 'ready' });
}
