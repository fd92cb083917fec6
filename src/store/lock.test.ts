import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs/promises';
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { built } from '../../tests/built.ts';
import { takeLock, withLock } from './lock.ts';
import { thisProcess } from './owner.ts';

vi.mock('node:fs/promises', async (original) => {
  const real = (await original()) as typeof fs;
  return { ...real, link: vi.fn(real.link), writeFile: vi.fn(real.writeFile) };
});

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lock-'));
  path = join(folder, 'lock');
});
const started: ChildProcess[] = [];
afterEach(async () => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
  await rm(folder, { recursive: true });
});

const [machine, space, , began] = thisProcess().split('-');
const stamp = (owner: Partial<Record<'machine' | 'space' | 'pid' | 'began', string | number>>) =>
  [
    owner.machine ?? machine,
    owner.space ?? space,
    owner.pid ?? process.pid,
    owner.began ?? began,
    'f00d',
  ].join('-');
const dead = stamp({ pid: 999_999_999 });
const elsewhere = stamp({ machine: '00c0ffee' });

/** Whether the lock can be taken. It is released again. */
async function isFree(): Promise<boolean> {
  const lock = await takeLock(path);
  await lock?.release();
  return lock !== undefined;
}

async function left(content: string, secondsAgo = 0): Promise<void> {
  await writeFile(path, content);
  const then = Date.now() / 1000 - secondsAgo;
  await utimes(path, then, then);
}

/** A process that takes the lock and keeps it, started by another command. */
async function holder(...before: string[]): Promise<ChildProcess> {
  const program = `
const { takeLock } = await import(${JSON.stringify(pathToFileURL(built('src/store/lock.ts')).href)});
console.log((await takeLock(${JSON.stringify(path)})) ? 'held' : 'taken');
setInterval(() => {}, 1000);`;
  const [command, ...args] = [...before, process.execPath, '--input-type=module', '-e', program];
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  started.push(child);
  const [line] = await Promise.race([
    once(createInterface({ input: child.stdout as NodeJS.ReadableStream }), 'line'),
    once(child, 'error').then(() => ['not started']),
    once(child, 'exit').then(() => ['not started']),
  ]);
  if (line !== 'not started') expect(line).toBe('held');
  return child;
}

describe('a lock', () => {
  it('has one holder at a time, and is removed when released', async () => {
    path = join(folder, 'deep', 'lock');
    const lock = await takeLock(path);
    expect(lock).toBeDefined();
    expect(await takeLock(path)).toBeUndefined();
    await lock?.release();
    expect(await readdir(dirname(path))).toEqual([]);
    expect(await isFree()).toBe(true);
  });

  it('is not removed on release if another process holds it by then', async () => {
    const lock = await takeLock(path);
    const other = stamp({ pid: 1 });
    await writeFile(path, other);
    await lock?.release();
    expect(await readFile(path, 'utf8')).toBe(other);
  });

  it('runs work one after the other', async () => {
    const order: string[] = [];
    const work = (name: string) =>
      withLock(path, async () => {
        order.push(`${name} begins`);
        await new Promise((resolve) => setTimeout(resolve, 20));
        order.push(`${name} ends`);
      });
    await Promise.all([work('a'), work('b')]);
    expect(order.map((said) => said.split(' ')[1])).toEqual(['begins', 'ends', 'begins', 'ends']);
  });

  it('is not waited for when the signal has fired', async () => {
    const lock = await takeLock(path);
    const waiting = withLock(path, async () => {}, AbortSignal.timeout(20));
    await expect(waiting).rejects.toMatchObject({ code: 'interrupted' });
    await lock?.release();
  });

  it('is free if it is released while another process reads its age', async () => {
    await left(elsewhere);
    vi.mocked(fs.writeFile).mockImplementationOnce(async (beside) => {
      await rm(path);
      await fs.appendFile(beside, '');
    });
    expect(await isFree()).toBe(true);
  });

  it('is named in the error if it cannot be made', async () => {
    await writeFile(path, '');
    await expect(takeLock(join(path, 'lock'))).rejects.toMatchObject({ code: 'disk/not-a-folder' });
  });
});

describe('a lock of a process that is gone', () => {
  it.each([
    ['of no process', dead],
    ['of an earlier process of this number', stamp({ began: Number(began) - 1 })],
    ['of a number that another process has', stamp({ pid: 1, began: Number(began) + 1_000_000 })],
  ])('%s is taken over at once', async (_, content) => {
    await left(content);
    expect(await isFree()).toBe(true);
    expect(await readdir(folder)).toEqual([]);
  });

  it("is taken by one of many callers, which removes the rest of a dead process's turn", async () => {
    await left(dead);
    // The turn of a process that was killed while it took over a lock.
    const turns = await turnsWhile(() => isFree());
    expect(turns).toHaveLength(1);
    await writeFile(join(folder, turns[0]!), dead);
    await left(dead);
    let inside = 0;
    let done = 0;
    const work = async () => {
      expect(++inside).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 2));
      inside--;
      done++;
    };
    await Promise.all(Array.from({ length: 20 }, () => withLock(path, work)));
    expect(done).toBe(20);
    await writeFile(join(folder, turns[0]!), dead);
    expect(await isFree()).toBe(true);
    expect(await readdir(folder)).toEqual([]);
  });

  it('is distinguished from that of a live process, and taken over when that is killed', async () => {
    const child = await holder();
    expect(await isFree()).toBe(false);
    await utimes(path, 0, 0);
    expect(await isFree()).toBe(false);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(await isFree()).toBe(true);
    expect(await readdir(folder)).toEqual([]);
  });

  it.skipIf(process.platform !== 'linux')('is taken over although its end was not noticed', async () => {
    // A container's first process often does not wait for the processes that have ended.
    const child = spawn('sh', ['-c', 'sleep 0.3 & echo $!; exec sleep 60'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    started.push(child);
    const [pid] = await once(createInterface({ input: child.stdout }), 'line');
    await vi.waitFor(async () => {
      expect(await readFile(`/proc/${pid}/stat`, 'utf8')).toContain(') Z ');
    }, 5000);
    await left(stamp({ pid, began: (await readFile(`/proc/${pid}/stat`, 'utf8')).split(' ')[21] }));
    expect(await isFree()).toBe(true);
  });

  it('in another container is taken over when it is killed (skipped if no container can be made)', async (context) => {
    const container = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc', '--net'];
    const child = await holder(...container);
    if (child.exitCode !== null || child.pid === undefined) return context.skip();
    expect(await isFree()).toBe(false);
    // Its process number in the container is 1, and so is that of the next one.
    expect(await readFile(path, 'utf8')).toMatch(/^[0-9a-f]+-\d+-1-\d+-[0-9a-f]+$/);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await vi.waitFor(async () => expect(await isFree()).toBe(true), 2000);
    expect(await readdir(folder)).toEqual([]);
    const next = await holder(...container);
    next.kill('SIGKILL');
    await once(next, 'exit');
    const after = await holder(...container);
    expect(await isFree()).toBe(false);
    after.kill('SIGKILL');
  });
});

describe('a lock that can be judged only by its age', () => {
  it.each([
    ['of another machine', elsewhere, 30],
    ['of another container that gave no sign of life', stamp({ space: 7 }), 30],
    ['of some other program', 'what?', 30],
    ['that leads to a socket outside', '../../../run/docker', 30],
    ['that is about to be filled', '', 2],
  ])('%s is held while it is young', async (_, content, limit) => {
    await left(content, limit - 1);
    expect(await isFree()).toBe(false);
    await left(content, limit + 1);
    expect(await isFree()).toBe(true);
    expect(await readdir(folder)).toEqual([]);
  });

  it('is refreshed by its holder', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    try {
      const lock = await takeLock(path);
      await utimes(path, 0, 0);
      await vi.advanceTimersByTimeAsync(5001);
      await vi.waitFor(
        async () => expect((await fs.stat(path)).mtimeMs).toBeGreaterThan(Date.now() - 5000),
        2000,
      );
      expect(await readFile(path, 'utf8')).toContain(thisProcess());
      await lock?.release();
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('on a file system without links', () => {
  beforeEach(() => {
    vi.mocked(fs.link).mockRejectedValue(Object.assign(new Error('no links'), { code: 'EPERM' }));
  });
  afterEach(() => {
    vi.mocked(fs.link).mockReset();
  });

  it('a lock has one holder at a time', async () => {
    const lock = await takeLock(path);
    expect(await readFile(path, 'utf8')).toContain(thisProcess());
    expect(await takeLock(path)).toBeUndefined();
    await lock?.release();
    expect(await readdir(folder)).toEqual([]);
    await left(dead);
    expect(await isFree()).toBe(true);
  });
});

/** Names of the files by which processes take turns, which are made while a lock is taken. */
async function turnsWhile(act: () => Promise<unknown>): Promise<string[]> {
  const seen = new Set<string>();
  const real = vi.mocked(fs.link).getMockImplementation() as typeof fs.link;
  vi.mocked(fs.link).mockImplementation(async (from, to) => {
    if (String(to).endsWith('.turn')) seen.add(String(to).slice(folder.length + 1));
    return real(from, to);
  });
  await act();
  vi.mocked(fs.link).mockImplementation(real);
  return [...seen];
}
