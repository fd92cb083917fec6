import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, open, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { built } from '../../tests/built.ts';
import { type CacheEntry, type FeatureCache, openFeatureCache } from './feature-cache.ts';
import { takeLock } from './lock.ts';
import { mountSmallDisk } from './small-disk.fixture.ts';

let folder: string;
let warnings: string[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tip-cache-'));
  warnings = [];
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const openHere = (path = folder) =>
  openFeatureCache(path, { onWarning: (message) => warnings.push(message) });
const vector = (i: number, length = 512) => new Float32Array(length).map((_, j) => i + j / length);
const entries = (from: number, count: number, length = 512): CacheEntry[] =>
  Array.from({ length: count }, (_, k) => ({
    key: `image${from + k}:encoder:0`,
    value: vector(from + k, length),
  }));
const keysOf = (list: CacheEntry[]) => list.map(({ key }) => key);
const valuesOf = (list: CacheEntry[]) => list.map(({ value }) => value);

/** Number of the entries that the cache returns bit by bit. */
function countHeld(cache: FeatureCache, list: CacheEntry[]): number {
  const same = (a: Float32Array | undefined, b: Float32Array) =>
    a !== undefined && Buffer.compare(Buffer.from(a.buffer), Buffer.from(b.buffer)) === 0;
  return cache.getMany(keysOf(list)).filter((value, i) => same(value, list[i]!.value)).length;
}

/** Fills a cache and closes it. */
async function filled(list: CacheEntry[]): Promise<void> {
  const cache = openHere();
  for (let i = 0; i < list.length; i += 100) await cache.putMany(list.slice(i, i + 100));
  await cache.close();
}

describe('the cache', () => {
  it('returns stored features in later runs, and undefined for other keys', async () => {
    const list = [...entries(0, 50), ...entries(50, 2, 2048), { key: 'empty', value: new Float32Array(0) }];
    await filled(list);
    const cache = openHere();
    expect(cache.getMany([...keysOf(list), 'image0:other:0'])).toEqual([...valuesOf(list), undefined]);
    expect(cache.stats().entries).toBe(53);
    expect(cache.stats().bytes).toBeGreaterThan(50 * 2048);
    await cache.clear();
    expect(cache.getMany(keysOf(list)).every((value) => value === undefined)).toBe(true);
    expect(cache.stats().entries).toBe(0);
    await cache.close();
    expect(warnings).toEqual([]);
  });

  it('returns copies, and accepts views', async () => {
    const cache = openHere();
    const wide = vector(1, 1024);
    await cache.putMany([{ key: 'a', value: wide.subarray(3, 7) }]);
    const [first] = cache.getMany(['a']);
    expect(first).toEqual(wide.slice(3, 7));
    first?.fill(0);
    expect(cache.getMany(['a'])).toEqual([wide.slice(3, 7)]);
    await cache.close();
  });

  it('can be used by two processes at once', async () => {
    const [one, two] = [openHere(), openHere()];
    await Promise.all([one.putMany(entries(0, 20)), two.putMany(entries(20, 20))]);
    await new Promise(setImmediate);
    expect(one.getMany(keysOf(entries(0, 40)))).toEqual(valuesOf(entries(0, 40)));
    await one.close();
    expect(two.getMany(keysOf(entries(0, 40)))).toEqual(valuesOf(entries(0, 40)));
    await two.close();
  });
});

describe('damage', () => {
  it('a changed value is not returned and can be stored again, and the others stay', async () => {
    const list = entries(0, 200);
    await filled(list);
    const path = join(folder, 'features.data');
    const bytes = await readFile(path);
    const at = bytes.indexOf(Buffer.from(list[17]!.value.buffer));
    bytes[at + 900]! ^= 1;
    await writeFile(path, bytes);
    const cache = openHere();
    const found = cache.getMany(keysOf(list));
    expect(found[17]).toBeUndefined();
    expect(found.filter(Boolean)).toHaveLength(199);
    await cache.putMany([list[17]!]);
    expect(countHeld(cache, list)).toBe(200);
    expect(cache.stats().entries).toBe(200);
    await cache.close();
    const again = openHere();
    expect(countHeld(again, list)).toBe(200);
    await again.close();
    expect(warnings).toEqual([]);
  });

  const noise = new Uint8Array(200_000).map((_, i) => (i * 2654435761) >>> 24);
  it.each<[string, number, (path: string) => Promise<void>]>([
    ['half of the values', 150, (path) => truncate(join(path, 'features.data'), 150 * 2052)],
    [
      'half of the index, and of an entry',
      149,
      (path) => truncate(join(path, 'features.index'), 150 * 32 - 7),
    ],
    ['no values', 0, (path) => rm(join(path, 'features.data'))],
    ['no index', 0, (path) => rm(join(path, 'features.index'))],
    ['another file', 0, (path) => writeFile(join(path, 'features.index'), 'this is no index')],
    ['noise for an index', 0, (path) => writeFile(join(path, 'features.index'), noise)],
    ['noise for values', 0, (path) => writeFile(join(path, 'features.data'), noise)],
    ['an entry overwritten', 299, (path) => overwrite(join(path, 'features.index'), 40 * 32, 30)],
    [
      'the length of a value overwritten',
      299,
      (path) => overwrite(join(path, 'features.index'), 40 * 32 + 24, 4),
    ],
  ])('%s: complete values are returned, and all can be stored again', async (_, whole, damage) => {
    await filled(entries(0, 300));
    await damage(folder);
    const cache = openHere();
    expect(countHeld(cache, entries(0, 300))).toBe(whole);
    await cache.putMany(entries(0, 300));
    expect(countHeld(cache, entries(0, 300))).toBe(300);
    await cache.close();
    const again = openHere();
    expect(countHeld(again, entries(0, 300))).toBe(300);
    await again.close();
    expect(warnings).toEqual([]);
  });

  it('a cache that another process cleared or removed works like a new one', async () => {
    const [one, two] = [openHere(), openHere()];
    await one.putMany(entries(0, 20));
    expect(countHeld(two, entries(0, 20))).toBe(20);
    await two.clear();
    expect(countHeld(one, entries(0, 20))).toBe(0);
    await one.putMany(entries(5, 5));
    expect(countHeld(two, entries(0, 20))).toBe(5);
    for (const cache of [one, two]) await cache.close();
  });
});

async function overwrite(path: string, at: number, length: number): Promise<void> {
  const file = await open(path, 'r+');
  await file.write(new Uint8Array(length).fill(0xa5), 0, length, at);
  await file.close();
}

describe('a folder that cannot be used', () => {
  it('because it is inside a file: the cache works in memory, with one warning', async () => {
    await writeFile(join(folder, 'file'), '');
    const cache = openHere(join(folder, 'file', 'features'));
    await cache.putMany(entries(0, 3));
    await cache.putMany(entries(3, 3));
    expect(cache.getMany(keysOf(entries(0, 7)))).toEqual([...valuesOf(entries(0, 6)), undefined]);
    expect(cache.stats()).toEqual({ entries: 6, bytes: 6 * 2052 });
    await cache.clear();
    expect(cache.stats().entries).toBe(0);
    await cache.close();
    expect(warnings).toEqual([expect.stringContaining('are not kept')]);
  });

  it('because another program keeps writing: the cache works in memory', async () => {
    vi.spyOn(AbortSignal, 'timeout').mockReturnValue(AbortSignal.abort());
    const lock = await takeLock(join(folder, 'features.lock'));
    const cache = openHere();
    await cache.putMany(entries(0, 3));
    expect(countHeld(cache, entries(0, 3))).toBe(3);
    await cache.close();
    await lock?.release();
    expect(warnings).toEqual([expect.stringMatching(/are not kept .* another program/)]);
    vi.restoreAllMocks();
  });

  it.for([4, 8, 12, 100])(
    'because its disk has %i KiB: the cache works in memory, with one warning (skipped if no disk can be mounted)',
    async (kib, context) => {
      const disk = mountSmallDisk(folder, kib / 1024);
      if (!disk) return context.skip();
      try {
        const cache = openHere();
        for (let i = 0; i < 3; i++) await cache.putMany(entries(i * 100, 100));
        expect(countHeld(cache, entries(0, 300))).toBe(300);
        await cache.close();
        expect(warnings).toEqual([expect.stringContaining('are not kept')]);
        const again = openHere();
        again.getMany(keysOf(entries(0, 300)));
        await again.close();
      } finally {
        disk.unmount();
      }
    },
  );

  it('because its disk has no inodes: the cache works in memory, with one warning (skipped if no disk can be mounted)', async (context) => {
    const disk = mountSmallDisk(folder, 4, 1);
    if (!disk) return context.skip();
    try {
      const cache = openHere();
      await cache.putMany(entries(0, 100));
      expect(countHeld(cache, entries(0, 100))).toBe(100);
      await cache.close();
      expect(warnings).toEqual([expect.stringContaining('are not kept')]);
    } finally {
      disk.unmount();
    }
  });

  it('because its disk became full or read-only: the cache still returns its values (skipped if no disk can be mounted)', async (context) => {
    const disk = mountSmallDisk(folder, 4);
    if (!disk) return context.skip();
    try {
      const cache = openHere();
      for (let i = 0; i < 30; i++) await cache.putMany(entries(i * 100, 100));
      expect(countHeld(cache, entries(0, 3000))).toBe(3000);
      expect(warnings).toEqual([expect.stringContaining('are not kept')]);
      await cache.close();
      disk.makeReadOnly();
      const kept = openHere();
      expect(countHeld(kept, entries(0, 3000))).toBeGreaterThan(1500);
      await kept.putMany(entries(5000, 1));
      expect(countHeld(kept, entries(5000, 1))).toBe(1);
      await kept.close();
      expect(warnings).toHaveLength(2);
    } finally {
      disk.unmount();
    }
  });
});

describe('kill -9', () => {
  it('at any moment leaves the cache valid and all finished batches in it', async () => {
    const BATCH = 40;
    for (let round = 0; round < 5; round++) {
      const child = startWriter(folder, BATCH);
      const finished = await killAfter(child, 30 + round * 45);
      expect(finished).toBeGreaterThan(0);
      const cache = openHere();
      const list = entries(0, finished * BATCH);
      expect(countHeld(cache, list)).toBe(list.length);
      // The batch that was committed but not yet reported may be there, never a part of it.
      expect([0, BATCH]).toContain(countHeld(cache, entries(finished * BATCH, BATCH)));
      expect(cache.stats().entries % BATCH).toBe(0);
      await cache.clear();
      await cache.close();
    }
    expect(warnings).toEqual([]);
  });

  it('of one writer does not hinder another that shares the cache', async () => {
    const mine = openHere();
    const child = startWriter(folder, 40);
    const killed = killAfter(child, 150);
    for (let i = 0; i < 40; i++) {
      await mine.putMany(entries(1_000_000 + i * 10, 10));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const finished = await killed;
    const list = [...entries(0, finished * 40), ...entries(1_000_000, 400)];
    expect(countHeld(mine, list)).toBe(list.length);
    await mine.close();
  });
});

/** A process that writes batches endlessly and prints the number of finished ones. */
function startWriter(path: string, batch: number): ChildProcess {
  const program = `
import { openFeatureCache } from ${JSON.stringify(pathToFileURL(built('src/store/feature-cache.ts')).href)};
const cache = openFeatureCache(${JSON.stringify(path)});
for (let n = 0; ; n++) {
  await cache.putMany(Array.from({ length: ${batch} }, (_, k) => {
    const i = n * ${batch} + k;
    return { key: \`image\${i}:encoder:0\`, value: new Float32Array(512).map((_, j) => i + j / 512) };
  }));
  process.stdout.write(\`\${n + 1}\\n\`);
}`;
  return spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

/** Kills a writer some milliseconds after its first batch. Returns the number of batches that it finished. */
async function killAfter(child: ChildProcess, milliseconds: number): Promise<number> {
  let finished = 0;
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    if (finished === 0) setTimeout(() => child.kill('SIGKILL'), milliseconds);
    finished = Number(line) || finished;
  }
  return finished;
}
