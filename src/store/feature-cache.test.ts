import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, open, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CacheEntry, type FeatureCache, openFeatureCache } from './feature-cache.ts';
import { openFeatureStore } from './feature-store.ts';
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

/** How many of the entries the cache gives back bit by bit. */
function countHeld(cache: FeatureCache, list: CacheEntry[]): number {
  const same = (a: Float32Array | undefined, b: Float32Array) =>
    a !== undefined && Buffer.compare(Buffer.from(a.buffer), Buffer.from(b.buffer)) === 0;
  return cache.getMany(keysOf(list)).filter((value, i) => same(value, list[i].value)).length;
}

/** Fills a cache, closes it and returns its file. */
async function filled(list: CacheEntry[]): Promise<string> {
  const cache = openHere();
  for (let i = 0; i < list.length; i += 100) await cache.putMany(list.slice(i, i + 100));
  await cache.close();
  return join(folder, 'features.mdb');
}

describe('the cache', () => {
  it('gives back what was put, over runs, and undefined for the rest', async () => {
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

  it('gives copies, and takes views', async () => {
    const cache = openHere();
    const wide = vector(1, 1024);
    await cache.putMany([{ key: 'a', value: wide.subarray(3, 7) }]);
    const [first] = cache.getMany(['a']);
    expect(first).toEqual(wide.slice(3, 7));
    first?.fill(0);
    expect(cache.getMany(['a'])).toEqual([wide.slice(3, 7)]);
    await cache.close();
  });

  it('its store gives buffers that keep their bytes and their length while others are read', async () => {
    const store = openFeatureStore(folder, (message) => warnings.push(message));
    const pairs = [1, 2].map((n): [Buffer, Buffer] => [Buffer.alloc(16, n), Buffer.alloc(10 * n, n)]);
    store.putAll(pairs);
    const read = pairs.map(([key]) => store.get(key));
    expect(read.map((value) => value?.toString('hex'))).toEqual(
      pairs.map(([, value]) => value.toString('hex')),
    );
    expect(read.map((value) => value?.subarray(4).length)).toEqual([6, 16]);
    await store.close();
  });

  it('is shared by two at once', async () => {
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
  it('a changed value is not given back and can be put again, the others stay', async () => {
    const list = entries(0, 200);
    const path = await filled(list);
    const bytes = await readFile(path);
    const at = bytes.indexOf(Buffer.from(list[17].value.buffer));
    const file = await open(path, 'r+');
    await file.write(new Uint8Array([bytes[at + 900] ^ 1]), 0, 1, at + 900);
    await file.close();
    const cache = openHere();
    expect(cache.stats().entries).toBe(200);
    const found = cache.getMany(keysOf(list));
    expect(found[17]).toBeUndefined();
    expect(found.filter(Boolean)).toHaveLength(199);
    await cache.putMany([list[17]]);
    await cache.close();
    const again = openHere();
    expect(countHeld(again, list)).toBe(200);
    await again.close();
  });

  it.each<[string, (path: string) => Promise<void>]>([
    ['half of the file', async (path) => truncate(path, Math.floor((await stat(path)).size / 2))],
    ['its first page only', (path) => truncate(path, 4096)],
    ['another file', (path) => writeFile(path, 'this is no database')],
    [
      'noise',
      (path) =>
        writeFile(
          path,
          new Uint8Array(200_000).map((_, i) => (i * 2654435761) >>> 24),
        ),
    ],
    [
      'a page of the index overwritten',
      async (path) => {
        const size = (await stat(path)).size;
        const file = await open(path, 'r+');
        await file.write(new Uint8Array(12_288).fill(0xa5), 0, 12_288, size - 12_288);
        await file.close();
      },
    ],
  ])('%s: begins anew with one warning, without a crash', async (_, damage) => {
    const path = await filled(entries(0, 300));
    await damage(path);
    const cache = openHere();
    expect(cache.getMany(keysOf(entries(0, 300))).every((value) => value === undefined)).toBe(true);
    await cache.putMany(entries(0, 10));
    expect(cache.getMany(keysOf(entries(0, 10)))).toEqual(valuesOf(entries(0, 10)));
    await cache.close();
    expect(warnings).toEqual([expect.stringContaining('begins anew')]);
  });

  it('a place that cannot be a folder: works in memory, with one warning', async () => {
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

  it('a full disk: goes on in memory, with one warning (skipped where no disk can be mounted)', async (context) => {
    const disk = mountSmallDisk(folder, 4);
    if (!disk) return context.skip();
    try {
      const cache = openHere();
      for (let i = 0; i < 30; i++) await cache.putMany(entries(i * 100, 100));
      expect(countHeld(cache, entries(0, 3000))).toBe(3000);
      expect(warnings).toEqual([expect.stringContaining('are not kept')]);
      await cache.close();
      const kept = openHere();
      expect(countHeld(kept, entries(0, 100))).toBe(100);
      await kept.close();
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

/** A process that writes batches for ever and prints how many are finished. */
function startWriter(path: string, batch: number): ChildProcess {
  const program = `
import { openFeatureCache } from ${JSON.stringify(new URL('./feature-cache.ts', import.meta.url).href)};
const cache = openFeatureCache(${JSON.stringify(path)});
for (let n = 0; ; n++) {
  await cache.putMany(Array.from({ length: ${batch} }, (_, k) => {
    const i = n * ${batch} + k;
    return { key: \`image\${i}:encoder:0\`, value: new Float32Array(512).map((_, j) => i + j / 512) };
  }));
  process.stdout.write(\`\${n + 1}\\n\`);
}`;
  const options = ['--import', 'tsx', '--input-type=module', '-e', program];
  return spawn(process.execPath, options, { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** Kills a writer some milliseconds after its first batch; the number of batches that it finished. */
async function killAfter(child: ChildProcess, milliseconds: number): Promise<number> {
  let finished = 0;
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    if (finished === 0) setTimeout(() => child.kill('SIGKILL'), milliseconds);
    finished = Number(line) || finished;
  }
  return finished;
}
