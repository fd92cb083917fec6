import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { afterEach } from 'vitest';
import { MAIN } from '../../tests/built.ts';

interface Started {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  /** The exit code and all of stderr. */
  readonly ended: Promise<{ readonly status: number | null; readonly log: string }>;
}

/** Starts the real program, as a shell does. After each test, programs that still run are killed. */
export function programs() {
  const started: Started[] = [];
  afterEach(() => {
    for (const { child } of started.splice(0)) child.kill('SIGKILL');
  });

  function start(...args: string[]): Started {
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let log = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      log += text;
    });
    const ended = once(child, 'close').then(([status]) => ({ status: status as number | null, log }));
    started.push({ child, ended });
    return { child, ended };
  }

  /** The same program, once it has printed its address. */
  async function listening(...args: string[]): Promise<Started & { readonly address: string }> {
    const { child, ended } = start(...args);
    const line = once(createInterface(child.stdout), 'line') as Promise<[string]>;
    const early = ended.then(({ log }) => {
      throw new Error(`The program ended before it printed its address: ${log}`);
    });
    const [address] = await Promise.race([line, early]);
    return { child, ended, address };
  }

  return { start, listening };
}
