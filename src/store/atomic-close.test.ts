import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { writeFileAtomic } from './atomic.ts';
import { withLock } from './lock.ts';
import { isAnswered, signOfLife } from './sign-of-life.ts';

// Opened folders fail when they are closed, as on a broken disk.
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  const open: typeof real.open = async (...args) => {
    const file = await real.open(...args);
    if (!(await file.stat()).isDirectory()) return file;
    const close = file.close;
    file.close = async () => {
      await close();
      throw Object.assign(new Error('EIO: i/o error, close'), { code: 'EIO', syscall: 'close' });
    };
    return file;
  };
  return { ...real, open };
});

it('a file is written although its folder cannot be closed', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tip-atomic-'));
  await writeFileAtomic(join(folder, 'a'), 'new');
  expect(await readFile(join(folder, 'a'), 'utf8')).toBe('new');
  await rm(folder, { recursive: true });
});

it('a lock is given back although its folder cannot be closed', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tip-lock-'));
  expect(await withLock(join(folder, 'a.lock'), async () => 'done')).toBe('done');
  const stop = await signOfLife(folder, 'a.sock');
  expect(await isAnswered(folder, 'a.sock')).toBe(process.platform === 'linux' ? true : undefined);
  await stop();
  await rm(folder, { recursive: true });
});
