import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DataError, InterruptedError, TipAdapterError, UsageError } from '../errors.ts';
import { type Answer, type DecoderSettings, type Failure, OUT_OF_MEMORY } from './decoder-protocol.ts';
import { frameOf, frameReader } from './frames.ts';
import type { Job } from './jobs.ts';
import { tooMuchMemory } from './refusals.ts';

/** A process that decodes one picture at a time and can be ended at any moment. */
export interface Decoder {
  /** Resolves when it can take jobs. Throws `TipAdapterError` `image/no-decoder` where it cannot be started. */
  readonly ready: Promise<void>;
  /**
   * Results in the order of the job's views. Throws what the job threw, and `DataError`: `image/too-much-memory` where the process
   * took more than it may, `image/decoder-died` where it ended.
   */
  run(job: Job, bytes: Uint8Array): Promise<readonly Uint8Array[]>;
  /** Whether the program waits for it before it ends. */
  hold(held: boolean): void;
  /** Ends the process, whatever it does; what it was asked throws `InterruptedError`. */
  kill(): Promise<void>;
  /** Whether it can be asked for anything more. */
  readonly alive: boolean;
}

const EXTENSION = extname(import.meta.url);
const PROGRAM = fileURLToPath(new URL(`./worker${EXTENSION}`, import.meta.url));

/** A program's own flags are not for its decoders (`--input-type` would end them), but TypeScript needs its loader. */
const FLAGS = [...(EXTENSION === '.ts' ? process.execArgv : []), '--expose-gc'];

/** A process that is not ready after this does not start. */
const START_SECONDS = 60;

/** What is kept of a starting process's stderr, in characters. */
const LAST_WORDS = 500;

/** Starts a decoder. It lives as long as this process at most. */
export function startDecoder(settings: DecoderSettings): Decoder {
  let waiting: { resolve(results: readonly Uint8Array[]): void; reject(error: Error): void } | undefined;
  let begun: { resolve(): void; reject(error: Error): void } | undefined;
  let words = '';
  let alive = true;
  let child: ChildProcess | undefined;

  const ready = new Promise<void>((resolve, reject) => {
    begun = { resolve, reject };
  });
  /** Settles what was promised: at the start, then for a job. */
  const fail = (error: Error) => {
    begun?.reject(error);
    waiting?.reject(error);
    begun = waiting = undefined;
  };

  const ended = new Promise<void>((resolve) => {
    try {
      child = spawn(process.execPath, [...FLAGS, PROGRAM, JSON.stringify(settings)], {
        stdio: 'pipe',
        windowsHide: true,
        // Ctrl-C in a terminal goes to all processes of a group.
        detached: process.platform !== 'win32',
      });
    } catch (error) {
      fail(cannotStart((error as Error).message));
      return resolve();
    }
    const { stdin, stdout, stderr } = child;
    // The process alone, as long as it is held, keeps the program from ending. Bun's pipes cannot be told so, and need not be.
    for (const pipe of [stdin, stdout, stderr] as (Partial<Socket> | null)[]) pipe?.unref?.();
    const died = (reason: string) => {
      alive = false;
      fail(begun ? cannotStart(words.trim() || reason) : dead(reason, settings));
      resolve();
    };
    child.on('error', (error) => died(error.message));
    child.on('exit', (code, signal) => died(signal ?? `status ${code}`));
    // What a process that has ended no longer takes; its end is told above.
    stdin?.on('error', () => {});
    stderr?.on('data', (chunk) => {
      words = `${words}${chunk}`.slice(-LAST_WORDS);
    });
    const read = frameReader<Answer>(({ header, parts }) => {
      if (header.kind === 'failure') return fail(errorOf(header.error, begun !== undefined));
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

/** Code of the error of a picture whose decoder ended. */
export const DIED = 'image/decoder-died';

function errorOf({ name, message, code, ...rest }: Failure, starting: boolean): Error {
  if (starting) return cannotStart(message.split('\n', 1)[0]!);
  if (code === undefined) {
    return new TipAdapterError(`Decoding failed: ${name}: ${message}`, {
      code: 'image/decoder-failed',
      hint: 'The picture is not the cause.',
    });
  }
  const Known = name === 'UsageError' ? UsageError : DataError;
  return new Known(message, { code, ...rest });
}

function cannotStart(reason: string): TipAdapterError {
  return new TipAdapterError(`Pictures cannot be decoded here: ${reason}`, {
    code: 'image/no-decoder',
    hint: 'If the package sharp is named, install it for this platform: npm install --include=optional sharp',
  });
}

function dead(reason: string, { memory }: DecoderSettings): DataError {
  if (reason === OUT_OF_MEMORY) return tooMuchMemory(memory);
  return new DataError(`Decoding stopped: the decoder ended (${reason})`, {
    code: DIED,
    hint: 'The picture may be damaged, or the machine out of memory.',
  });
}
