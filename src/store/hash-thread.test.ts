import { mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { toHalf } from '../math/half.ts';
import { sha256 } from '../sha256.ts';
import { CHUNK } from './hash-part.ts';
import { hashedFile, hashParts } from './hash-thread.ts';

const folder = mkdtempSync(join(tmpdir(), 'hash-thread-'));
afterAll(() => rmSync(folder, { recursive: true }));

const use = { area: 'safetensors' };
const written = (name: string, data: Uint8Array | Float32Array | Uint16Array) => {
  writeFileSync(join(folder, name), data);
  return join(folder, name);
};
/** Numbers that half precision has, in more than two of the pieces that the thread reads. */
const numbers = Float32Array.from({ length: CHUNK / 2 + 7 }, (_, i) => (i % 2048) / 64 - 16);

describe('hashParts', () => {
  it('gives the sha256 of bytes, and of numbers in single precision', async () => {
    const path = written('single', numbers);
    const size = 4 * numbers.length;
    const parts = [
      { offset: 0, length: size },
      { offset: 8, length: size - 12, dtype: 'float32' as const },
      { offset: 4, length: 0 },
    ];
    const hashes = await hashParts(path, parts, use);
    const inner = sha256(numbers.subarray(2, -1));
    expect(hashes).toEqual([{ sha256: sha256(numbers) }, { sha256: inner }, { sha256: sha256('') }]);
  });

  it('widens half precision and bfloat16', async () => {
    const halves = written('half', toHalf(numbers));
    const words = new Uint32Array(numbers.buffer);
    const upper = written(
      'bfloat16',
      Uint16Array.from(words, (word) => word >>> 16),
    );
    const part = { offset: 0, length: 2 * numbers.length };
    expect(await hashParts(halves, [{ ...part, dtype: 'float16' }], use)).toEqual([
      { sha256: sha256(numbers) },
    ]);
    const kept = new Float32Array(words.map((word) => word & 0xffff0000).buffer);
    expect(await hashParts(upper, [{ ...part, dtype: 'bfloat16' }], use)).toEqual([{ sha256: sha256(kept) }]);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    'finds the first %s',
    async (value) => {
      const damaged = numbers.slice();
      const at = CHUNK / 4 + 5;
      damaged[at] = value;
      damaged[at + 1] = Number.NaN;
      const [hash] = await hashParts(
        written('damaged', damaged),
        [{ offset: 4, length: 4 * numbers.length - 4, dtype: 'float32' }],
        use,
      );
      expect(hash!.bad).toEqual({ at: at - 1, value });
    },
  );

  it('refuses a file that ends before a part, and one that is missing, and ends with its signal', async () => {
    const path = written('short', numbers);
    const beyond = hashParts(path, [{ offset: 1, length: 4 * numbers.length }], use);
    await expect(beyond).rejects.toMatchObject({ code: 'checksum/size' });
    await expect(hashParts(join(folder, 'none'), [], use)).rejects.toMatchObject({
      code: 'safetensors/missing',
    });
    const stop = new AbortController();
    const work = hashParts(path, [{ offset: 0, length: 8 }], use, stop.signal);
    stop.abort();
    await expect(work).rejects.toMatchObject({ code: 'interrupted' });
  });
});

describe('a thread', () => {
  const LARGE = 2 ** 25;
  const large = written('large', new Uint8Array(0));
  truncateSync(large, LARGE);
  const threads: Worker[] = [];
  const note = (thread: Worker) => void threads.push(thread);
  beforeEach(() => void process.on('worker', note));
  afterEach(() => {
    process.off('worker', note);
    threads.length = 0;
  });

  it('hashes large parts, and finds a number that is not finite and an end', async () => {
    const numbers = new Float32Array(LARGE / 4);
    numbers[7] = Number.NaN;
    const path = written('numbers', numbers);
    const whole = { offset: 0, length: LARGE };
    const [bytes, bad] = await hashParts(path, [whole, { ...whole, dtype: 'float32' }], use);
    expect(bytes).toEqual({ sha256: sha256(numbers) });
    expect(bad).toMatchObject({ bad: { at: 7, value: Number.NaN } });
    const beyond = hashParts(path, [{ ...whole, offset: 1 }], use);
    await expect(beyond).rejects.toMatchObject({ code: 'checksum/size' });
    expect(threads).toHaveLength(2);
  });

  it('is not started for small parts, and no more run at once than there are cores', async () => {
    await hashParts(large, [{ offset: 0, length: LARGE - 1 }], use);
    expect(threads).toHaveLength(0);
    let most = 0;
    const count = () => {
      most = Math.max(most, threads.filter(({ threadId }) => threadId >= 0).length);
    };
    process.on('worker', count);
    const works = Array.from({ length: 3 * availableParallelism() }, () => hashedFile(large, LARGE));
    expect(new Set((await Promise.all(works)).map((file) => file.sha256)).size).toBe(1);
    process.off('worker', count);
    expect(threads).toHaveLength(works.length);
    expect(most).toBeLessThanOrEqual(availableParallelism());
  });

  it('gives its answer also if its exit is told in the same turn', async () => {
    process.once('worker', (thread) => {
      thread.emit('message', [{ sha256: 'its answer' }]);
      thread.emit('exit', 0);
    });
    expect(await hashedFile(large, LARGE)).toEqual({ size: LARGE, sha256: 'its answer' });
  });

  it('hashes no file that has taken the name of the one that was opened', async () => {
    const [path, other] = [
      written('replaced', new Uint8Array(LARGE)),
      written('other', new Uint8Array(LARGE)),
    ];
    process.once('worker', () => renameSync(other, path));
    await expect(hashedFile(path, LARGE)).rejects.toMatchObject({ code: 'checksum/size' });
  });

  it('ends with its signal', async () => {
    const stop = new AbortController();
    process.once('worker', () => stop.abort());
    const work = hashedFile(large, LARGE, stop.signal);
    await expect(work).rejects.toMatchObject({ code: 'interrupted' });
    expect(threads).toMatchObject([{ threadId: -1 }]);
  });

  it('that ends without an answer is an error of its own', async () => {
    process.once('worker', (thread) => void thread.terminate());
    await expect(hashedFile(large, LARGE)).rejects.toMatchObject({
      code: 'checksum/thread',
      message: expect.stringMatching(/large ended with status \d/),
    });
  });

  it.skipIf(process.platform !== 'linux')('gives an error of the system by its name', async () => {
    // The first page of a process's memory cannot be read.
    for (const length of [8, LARGE])
      await expect(hashParts('/proc/self/mem', [{ offset: 0, length }], use)).rejects.toMatchObject({
        message: expect.stringContaining('Cannot read /proc/self/mem'),
        code: expect.stringMatching(/^disk\//),
      });
    expect(threads).toHaveLength(1);
  });
});

it('a large file has the same hash from its thread as a small one without', async () => {
  const large = new Uint8Array(2 ** 25 + 3).fill(7);
  for (const data of [large, large.subarray(0, 10)]) {
    const path = written('whole', data);
    expect(await hashedFile(path, data.length)).toEqual({ size: data.length, sha256: sha256(data) });
  }
});
