import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { DataError, InterruptedError, TipAdapterError } from '../errors.ts';
import { errorOf, type Failure } from '../failure.ts';
import { EXTENSION, FLAGS } from '../own-programs.ts';
import { type Answer, type DecoderSettings, OUT_OF_MEMORY } from './decoder-protocol.ts';
import { frameOf, frameReader } from './frames.ts';
import type { Job } from './jobs.ts';
import { tooMuchMemory } from './refusals.ts';

/** A process that decodes one picture at a time and can be ended at any moment. */
export interface Decoder {
  /** Resolves when the process is ready for jobs. Rejects with `TipAdapterError` `image/no-decoder` if it cannot be started. */
  readonly ready: Promise<void>;
  /**
   * Runs a job, and returns results in the order of its views. Throws the job's error, and `DataError`: `image/too-much-memory` if the
   * process exceeded its memory limit, `image/decoder-died` if it ended.
   */
  run(job: Job, bytes: Uint8Array): Promise<readonly Uint8Array[]>;
  /** Sets whether the process keeps the program alive. */
  hold(held: boolean): void;
  /** Ends the process. A running job rejects with `InterruptedError`. */
  kill(): Promise<void>;
  /** Whether the process can take more jobs. */
  readonly alive: boolean;
}

const PROGRAM = fileURLToPath(new URL(`./worker${EXTENSION}`, import.meta.url));

/** Time limit for the start of a process, in seconds. */
const START_SECONDS = 60;

/** Number of characters kept of a starting process's stderr. */
const LAST_WORDS = 500;

/** Starts a decoder, which ends with this process at the latest. */
export function startDecoder(settings: DecoderSettings): Decoder {
  let waiting: { resolve(results: readonly Uint8Array[]): void; reject(error: Error): void } | undefined;
  let begun: { resolve(): void; reject(error: Error): void } | undefined;
  let words = '';
  let alive = true;
  let child: ChildProcess | undefined;

  const ready = new Promise<void>((resolve, reject) => {
    begun = { resolve, reject };
  });
  /** Rejects the pending promise: `ready` at first, then that of the job. */
  const fail = (error: Error) => {
    begun?.reject(error);
    waiting?.reject(error);
    begun = waiting = undefined;
  };

  const ended = new Promise<void>((resolve) => {
    try {
      child = spawn(
        process.execPath,
        [...(FLAGS ?? process.execArgv), '--expose-gc', PROGRAM, JSON.stringify(settings)],
        {
          stdio: 'pipe',
          windowsHide: true,
          // Detached, because Ctrl-C in a terminal is sent to all processes of a group.
          detached: process.platform !== 'win32',
        },
      );
    } catch (error) {
      fail(cannotStart((error as Error).message));
      return resolve();
    }
    const { stdin, stdout, stderr } = child;
    // Pipes must not keep the program alive; only the process does, while it is held. Bun's pipes have no `unref` and need none.
    for (const pipe of [stdin, stdout, stderr] as (Partial<Socket> | null)[]) pipe?.unref?.();
    const died = (reason: string) => {
      alive = false;
      fail(begun ? cannotStart(words.trim() || reason) : dead(reason, settings));
      resolve();
    };
    child.on('error', (error) => died(error.message));
    child.on('exit', (code, signal) => died(signal ?? `status ${code}`));
    // Writing to a process that has ended fails. Its end is handled above.
    stdin?.on('error', () => {});
    stderr?.on('data', (chunk) => {
      words = `${words}${chunk}`.slice(-LAST_WORDS);
    });
    const read = frameReader<Answer>(({ header, parts }) => {
      if (header.kind === 'failure') return fail(failed(header.error, begun !== undefined));
      if (header.kind === 'ready') {
        begun?.resolve();
        begun = undefined;
        stderr?.destroy();
      } else {
        waiting?.resolve(parts);
        waiting = undefined;
      }
    });
    stdout?.on('data', (chunk) => {
      try {
        read(chunk);
      } catch (error) {
        alive = false;
        child?.kill('SIGKILL');
        fail(dead((error as Error).message, settings));
      }
    });
    const patience = setTimeout(() => {
      if (begun) child?.kill('SIGKILL');
      fail(cannotStart(`it was not ready after ${START_SECONDS} s`));
    }, START_SECONDS * 1000).unref();
    ready.catch(() => {}).finally(() => clearTimeout(patience));
  });

  return {
    ready,
    get alive() {
      return alive;
    },
    run: (job, bytes) =>
      new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        const pipe = child?.stdin as Socket;
        pipe.cork();
        for (const piece of frameOf({ header: job, parts: [bytes] })) pipe.write(piece);
        pipe.uncork();
      }),
    hold: (held) => (held ? child?.ref() : child?.unref()),
    kill: async () => {
      alive = false;
      child?.ref();
      child?.kill('SIGKILL');
      fail(new InterruptedError());
      await ended;
    },
  };
}

/** Error code of a picture whose decoder ended. */
export const DIED = 'image/decoder-died';

function failed(failure: Failure, starting: boolean): Error {
  const { name, message, code } = failure;
  if (starting) return cannotStart(message.split('\n', 1)[0]!);
  if (code !== undefined) return errorOf(failure);
  return new TipAdapterError(`Decoding failed: ${name}: ${message}`, {
    code: 'image/decoder-failed',
    hint: 'Report this as a bug: the picture is not the cause.',
  });
}

function cannotStart(reason: string): TipAdapterError {
  return new TipAdapterError(`Pictures cannot be decoded here: ${reason}`, {
    code: 'image/no-decoder',
    hint: 'If the message names the package sharp, install it for this platform: npm install --include=optional sharp',
  });
}

function dead(reason: string, { memory }: DecoderSettings): DataError {
  if (reason === OUT_OF_MEMORY) return tooMuchMemory(memory);
  return new DataError(`Decoding stopped: the decoder ended (${reason})`, {
    code: DIED,
    hint: 'The picture may be damaged, or the machine may be out of memory. Save the picture again, or close other programs.',
  });
}
