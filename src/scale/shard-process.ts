import { type ChildProcess, fork } from 'node:child_process';
import { onAbort } from '../abort.ts';
import { DataError, InterruptedError } from '../errors.ts';
import { errorOf } from '../failure.ts';
import { FLAGS } from '../own-programs.ts';
import type { Reply, Task } from './shard-protocol.ts';
import type { Json } from './work.ts';

/** The program that does shards (see `serveShards`), and its settings. */
export interface ShardProgram {
  /** Path of the program. Its only argument is `settings` as JSON. */
  readonly program: string;
  readonly settings?: Json;
}

/** Milliseconds for which a process may go on after its task was stopped. */
const GRACE = 10_000;

type Answer = Extract<Reply, { kind: 'shard' | 'finish' }>;

/**
 * A process that does shards. The worker's own process stays free to renew its locks and to answer, whatever a shard computes, and a shard
 * that ends its process does not end the worker. The process starts at the first task, and again after it has died.
 */
export class ShardProcess {
  readonly #program: ShardProgram;
  #child?: ChildProcess;
  #pending?: { answer(reply: Answer): void; fail(error: Error): void; progress?(pictures: number): void };

  constructor(program: ShardProgram) {
    this.#program = program;
  }

  /**
   * Does a task. Throws the task's error, `DataError` `worker/died` if the process ended, and `InterruptedError` if the signal fires.
   */
  async do(
    task: Exclude<Task, { kind: 'stop' }>,
    { signal, onProgress }: { signal?: AbortSignal; onProgress?(pictures: number): void } = {},
  ): Promise<Answer> {
    if (signal?.aborted) throw new InterruptedError();
    const child = this.#child ?? this.#start();
    let late: NodeJS.Timeout | undefined;
    const forget = onAbort(signal, () => {
      child.send({ kind: 'stop' } satisfies Task);
      late = setTimeout(() => child.kill('SIGKILL'), GRACE);
    });
    try {
      return await new Promise((answer, fail) => {
        this.#pending = { answer, fail, progress: onProgress };
        child.send(task, (error) => error && this.#fail(died(error.message)));
      });
    } finally {
      forget();
      clearTimeout(late);
      this.#pending = undefined;
    }
  }

  /** Ends the process at once. */
  close(): void {
    this.#child?.kill('SIGKILL');
    this.#child = undefined;
  }

  #start(): ChildProcess {
    const { program, settings = {} } = this.#program;
    const child = fork(program, [JSON.stringify(settings)], {
      execArgv: FLAGS,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      // Detached, because Ctrl-C in a terminal is sent to all processes of a group.
      detached: process.platform !== 'win32',
    });
    this.#child = child;
    const gone = (reason: string) => {
      if (this.#child === child) this.#child = undefined;
      this.#fail(died(reason));
    };
    child.on('exit', (code, signal) => gone(signal ?? `status ${code}`));
    child.on('error', (error) => gone(error.message));
    child.on('message', (reply: Reply) => {
      if (reply.kind === 'progress') this.#pending?.progress?.(reply.pictures);
      else if (reply.kind === 'failure') this.#fail(errorOf(reply.error));
      else if (reply.kind !== 'ready') this.#pending?.answer(reply);
    });
    return child;
  }

  #fail(error: Error): void {
    this.#pending?.fail(error);
  }
}

function died(reason: string): DataError {
  return new DataError(`The process that did the shard ended (${reason})`, {
    code: 'worker/died',
    hint: 'The machine may be out of memory: give a smaller --concurrency. If the same shard fails again and again, look at its pictures.',
    details: { reason },
  });
}
