import { existsSync } from 'node:fs';
import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { takeLock, withLock } from './lock.ts';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lock-'));
  path = join(folder, 'deep', 'lock');
});
afterEach(() => rm(folder, { recursive: true }));

it('is one holder at a time, and gone when it is released', async () => {
  const lock = await takeLock(path);
  expect(lock).toBeDefined();
  expect(await takeLock(path)).toBeUndefined();
  await lock?.release();
  expect(existsSync(path)).toBe(false);
  await (await takeLock(path))?.release();
});

it('lets work follow work', async () => {
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

it('is taken over from a process that is gone, also from one of the same number', async () => {
  await (await takeLock(path))?.release();
  for (const pid of [999_999_999, process.pid]) {
    await writeFile(path, `${pid} ${hostname()} 00ff`);
    const lock = await takeLock(path);
    expect(lock, String(pid)).toBeDefined();
    await lock?.release();
  }
  await writeFile(path, `${process.ppid} ${hostname()} 00ff`);
  expect(await takeLock(path)).toBeUndefined();
});

it('is taken over from another machine once it has not been touched for half a minute, and no sooner', async () => {
  await (await takeLock(path))?.release();
  await writeFile(path, '1 another-machine 00ff');
  const untouchedFor = (seconds: number) => {
    const then = new Date(Date.now() - 1000 * seconds);
    return utimes(path, then, then);
  };
  await untouchedFor(25);
  expect(await takeLock(path)).toBeUndefined();
  await untouchedFor(31);
  const lock = await takeLock(path);
  expect(lock).toBeDefined();
  await lock?.release();
});
