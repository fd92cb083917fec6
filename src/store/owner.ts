import { spawnSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { systemCode } from '../errors.ts';

/**
 * Identifies a process, also among processes that had the same process id before: `<machine>-<namespace>-<pid>-<began>`, made of
 * letters, digits and `-`. The machine identifies one boot of one kernel. The namespace is that of process ids, since each
 * container has ids of its own.
 */
export type Owner = string;

let own: Owner | undefined;

/** This process. */
export function thisProcess(): Owner {
  own ??= [machine(), numberSpace(), process.pid, began('self') ?? 0].join('-');
  return own;
}

/** Whether that process still runs; undefined if it is on another machine or in another namespace, where this one cannot tell. */
export function isAlive(owner: Owner): boolean | undefined {
  if (owner === thisProcess()) return true;
  const [machine, space, pid, start] = owner.split('-');
  const mine = thisProcess().split('-');
  if (machine !== mine[0] || space !== mine[1]) return undefined;
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    if (systemCode(error) === 'ESRCH') return false;
  }
  const found = began(Number(pid));
  return found === undefined || start === '0' ? undefined : found === Number(start);
}

const linux = process.platform === 'linux';

function machine(): string {
  const boot = quietly(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8'));
  return hash('sha256', boot ?? hostname()).slice(0, 8);
}

function numberSpace(): string {
  const namespace = quietly(() => readlinkSync('/proc/self/ns/pid'));
  return namespace?.replace(/\D/g, '') || '0';
}

/** The start time of a process, in the system's unit; -1 if it has ended; undefined if the system does not give it. */
function began(pid: number | 'self'): number | undefined {
  if (linux) {
    // The process ids in the /proc of another namespace are of other processes.
    if (pid !== 'self' && quietly(() => readlinkSync('/proc/self')) !== String(process.pid)) return undefined;
    const stat = quietly(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
    if (stat === undefined) return undefined;
    // The name in parentheses may contain any character. State and start time follow it.
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' || state === 'X' ? -1 : Number(fields[18]);
  }
  if (process.platform === 'win32') return undefined;
  const options = { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } } as const;
  const { stdout } = spawnSync(
    'ps',
    ['-o', 'lstart=', '-p', String(pid === 'self' ? process.pid : pid)],
    options,
  );
  return Date.parse(stdout?.trim() ?? '') / 1000 || undefined;
}

function quietly<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
