import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { built } from '../../tests/built.ts';
import type { WorkerEvent } from './worker.ts';

const PROGRAM = built('src/scale/worker-program.fixture.ts');

/** A worker as a process, with an encoder that only waits. */
export interface WorkerProcess {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  readonly events: WorkerEvent[];
  /** Resolves when it is ready for shards. */
  readonly ready: Promise<unknown>;
  readonly ended: Promise<{ status: number | null; signal: string | null; err: string }>;
}

export function startWorkerProcess(
  address: string,
  options: object = {},
  env: Record<string, string> = {},
): WorkerProcess {
  const child = spawn(process.execPath, [PROGRAM, address, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  const events: WorkerEvent[] = [];
  let err = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const ready = new Promise((resolve) => {
    createInterface(child.stdout).on('line', (line) => {
      events.push(JSON.parse(line));
      resolve(undefined);
    });
    child.once('exit', resolve);
  });
  const ended = new Promise<{ status: number | null; signal: string | null; err: string }>((resolve) =>
    child.once('close', (status, signal) => resolve({ status, signal, err })),
  );
  return { child, events, ready, ended };
}
