import { spawnSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { systemCode } from '../errors.ts';

/**
 * A process, told from every other one that has or had its number: `<machine>-<namespace>-<pid>-<began>`, made of letters, digits
 * and `-`. The machine is one boot of one kernel; the namespace is that of the process numbers, since containers count on their own.
 */
export type Owner = string;

let own: Owner | undefined;

/** This process. */
export function thisProcess(): Owner {
  own ??= [machine(), numberSpace(), process.pid, began('self') ?? 0].join('-');
  return own;
}

/** Whether that process still runs; undefined where this one cannot know: on another machine, in another namespace. */
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

/** When a process began, in a unit of the system's; -1 for one that has ended; undefined where the system does not say. */
function began(pid: number | 'self'): number | undefined {
  if (linux) {
    // The /proc of another namespace numbers other processes.
    if (pid !== 'self' && quietly(() => readlinkSync('/proc/self')) !== String(process.pid)) return undefined;
    const stat = quietly(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
    if (stat === undefined) return undefined;
    // The name in parentheses may hold anything; state and start follow it.
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
