import { statSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { input } from '../../graph/expression.ts';
import { interpret } from '../../graph/interpret.ts';
import { integerProduct } from '../../graph/products.ts';
import { toHalf } from '../../math/half.ts';
import { inverseLengths, roundToInt8, toInt8 } from '../../math/int8.ts';
import { dot, type Matrix, matrix, row, unitRows } from '../../math/matrix.ts';
import { random } from '../../math/random.ts';
import type { Tensor } from '../../math/tensor.ts';
import { fileIdentity } from '../../store/regular.ts';
import { createEngine } from '../node.ts';
import { installedRuntime } from '../onnxruntime.ts';
import type { Run } from '../training/types.ts';
import { type ByteProducts, byteProducts } from './byte-products.ts';
import { openFile } from './node.ts';
import { openPages } from './pages.ts';
import type { KeyFile } from './types.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keys-'));
});
afterAll(() => rm(folder, { recursive: true }));

const BETA = 4;

function noise(rows: number, cols: number, seed: number): Matrix {
  const own = random('keys', seed);
  return matrix(
    rows,
    cols,
    Float32Array.from({ length: rows * cols }, () => own.normal()),
  );
}

/** Keys in a file, after some other bytes. */
async function fileOf(keys: Matrix, dtype: KeyFile['dtype']): Promise<KeyFile> {
  const path = join(folder, `${dtype}-${keys.rows}x${keys.cols}`);
  const int8 = toInt8(keys);
  const bytes = new Uint8Array((dtype === 'int8' ? int8.values : toHalf(keys.data)).buffer);
  await writeFile(path, Buffer.concat([Buffer.from('in front'), bytes]));
  const place = {
    path,
    name: 'keys',
    identity: fileIdentity(statSync(path)),
    offset: 8,
    rows: keys.rows,
    cols: keys.cols,
  };
  if (dtype === 'float16') return { ...place, dtype };
  return { ...place, dtype, steps: int8.steps, scales: inverseLengths(int8) };
}

/** Sums of exp(-beta (1 - cosine)) by class, in double precision. */
function classSums(keys: Matrix, labels: Int32Array, classes: number, features: Matrix): Float64Array {
  const [k, f] = [unitRows(keys), unitRows(features)];
  const out = new Float64Array(features.rows * classes);
  for (let i = 0; i < f.rows; i++)
    for (let n = 0; n < k.rows; n++)
      out[i * classes + labels[n]!]! += Math.exp(BETA * (dot(row(k, n), row(f, i)) - 1));
  return out;
}

function expectNear(got: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number) {
  expect(got.length).toBe(expected.length);
  for (let i = 0; i < got.length; i++)
    expect(Math.abs(got[i]! - expected[i]!)).toBeLessThanOrEqual(tolerance * Math.max(1, expected[i]!));
}

/** Products that take a while, so that other requests arrive meanwhile. */
function slowProducts(cols: number): ByteProducts {
  return {
    run: async (keys, queries, products) => {
      await setImmediate();
      const n = queries.length / cols;
      for (let i = 0; i < products.length; i++) {
        const [row, q] = [Math.floor(i / n), i % n];
        let sum = 0;
        for (let j = 0; j < cols; j++) sum += (keys[row * cols + j]! - 128) * queries[j * n + q]!;
        products[i] = sum;
      }
    },
    close: async () => {},
  };
}

const COLS = 250;

/** Whether the native build's products of bytes are exact on this processor; without them, the kernel computes all sums. */
async function hasExactProducts(): Promise<boolean> {
  const engine = createEngine({ threads: 1 });
  const products = await byteProducts(COLS, async (model) => {
    const session = await engine.load(model);
    const run: Run['run'] = async (feeds, into = {}) => {
      const { products } = await session.run(feeds);
      (into.products!.data as Int32Array).set(products!.data as Int32Array);
      return {};
    };
    return { inputs: [], run, close: session.close };
  });
  await engine.close();
  return products !== undefined && installedRuntime() !== undefined;
}

const exact = await hasExactProducts();
const reason = exact ? '' : ' (skipped: the products of bytes of this processor or build are not exact)';

describe('keys in a file', () => {
  const shapes = fc.record({
    rows: fc.integer({ min: 1, max: 60 }),
    cols: fc.integer({ min: 1, max: 70 }),
    queries: fc.integer({ min: 1, max: 9 }),
    classes: fc.integer({ min: 1, max: 7 }),
    seed: fc.nat(1000),
  });

  it.each([
    ['float16', 2e-3],
    // Compared with the numbers that the 8 bits stand for. Only the query is rounded, to 16 bits.
    ['int8', 1e-3],
  ] as const)('answer like keys in memory, in %s, for all sizes', async (dtype, tolerance) => {
    await fc.assert(
      fc.asyncProperty(shapes, async ({ rows, cols, queries, classes, seed }) => {
        const keys = noise(rows, cols, seed);
        const features = noise(queries, cols, seed + 1);
        const labels = Int32Array.from({ length: rows }, (_, n) => (n * 5) % classes);
        const pages = openPages({ ...(await fileOf(keys, dtype)), labels, classes }, openFile);
        const known = dtype === 'int8' ? roundToInt8(keys) : keys;
        const expected = classSums(known, labels, classes, features);
        expectNear((await pages.sums(features, BETA, false)).data, expected, tolerance);
        const own = Int32Array.from(labels.keys());
        expectNear(
          (await pages.sums(features, BETA, true)).data,
          classSums(known, own, rows, features),
          tolerance,
        );
        await pages.close();
      }),
      { numRuns: 40 },
    );
  });

  it('are shared out over threads, in pages, for more queries than fit in a pass', async () => {
    const [rows, cols, classes] = [9000, 256, 10];
    const keys = noise(rows, cols, 1);
    const labels = Int32Array.from({ length: rows }, (_, n) => n % classes);
    const features = noise(70, cols, 2);
    const engine = createEngine({ threads: 2 });
    for (const dtype of ['float16', 'int8'] as const) {
      const cache = engine.openKeys(await fileOf(keys, dtype), labels, classes);
      const sums = await cache.classSums(features, BETA);
      expectNear(sums.data, classSums(keys, labels, classes, features), dtype === 'int8' ? 1e-3 : 1e-4);
      const votes = await cache.votes(row(features, 69), BETA);
      const total = new Float64Array(classes);
      votes.forEach((vote, n) => {
        total[labels[n]!]! += vote;
      });
      expectNear(total, row(sums, 69), 1e-5);
      expect((await cache.classSums(matrix(0, cols), BETA)).rows).toBe(0);
      await cache.close();
    }
    await engine.close();
  });

  it.skipIf(!exact)(`give the same sums by ONNX Runtime as by the kernel, bit for bit${reason}`, async () => {
    const [rows, cols, classes] = [2100, COLS, 3];
    const keys = noise(rows, cols, 5);
    const file = await fileOf(keys, 'int8');
    const labels = Int32Array.from({ length: rows }, (_, n) => n % classes);
    const features = noise(6, cols, 6);
    const pages = openPages({ ...file, labels, classes }, openFile);
    const engine = createEngine({ threads: 1 });
    const cache = engine.openKeys(file, labels, classes);
    expect(await cache.classSums(features, BETA)).toEqual(await pages.sums(features, BETA, false));
    await Promise.all([pages.close(), cache.close(), engine.close()]);
  });

  it.each(['whose products are exact', 'without such products'])(
    'answer queries that arrive at the same time, on processors %s',
    async (processor) => {
      const [rows, cols] = [60, 20];
      const part = {
        ...(await fileOf(noise(rows, cols, 7), 'int8')),
        labels: Int32Array.from({ length: rows }, (_, n) => n % 3),
        classes: 3,
      };
      const prepare = async () => {
        await setImmediate();
        return processor === 'whose products are exact' ? slowProducts(cols) : undefined;
      };
      const queries = [8, 5, 1, 8].map((n, i) => noise(n, cols, 8 + i));
      const kernel = openPages(part, openFile);
      const expected: Matrix[] = [];
      for (const query of queries) expected.push(await kernel.sums(query, BETA, query.rows === 5));
      const pages = openPages(part, openFile, prepare);
      const answers = Promise.all(queries.map((query) => pages.sums(query, BETA, query.rows === 5)));
      await Promise.all([pages.close(), kernel.close()]);
      expect(await answers).toEqual(expected);
    },
  );

  it('are multiplied by the kernel on processors whose products of bytes overflow', async () => {
    const saturating = (most: number) => async () => ({
      inputs: [],
      run: async (feeds: Readonly<Record<string, Tensor>>, into: Readonly<Record<string, Tensor>> = {}) => {
        const { products } = interpret(
          { products: integerProduct(input('keys', [16, 40], 'uint8'), input('queries', [40, 16], 'int8')) },
          feeds,
        );
        (into.products!.data as Int32Array).set(products.data.map((x) => Math.max(-most, Math.min(most, x))));
        return {};
      },
      close: async () => {},
    });
    expect(await byteProducts(40, saturating(2 ** 15))).toBeUndefined();
    expect(await byteProducts(40, saturating(2 ** 31))).toBeDefined();
  });

  it('are refused if their file was replaced or cut', async () => {
    const keys = noise(40, 16, 1);
    const file = await fileOf(keys, 'float16');
    const part = { ...file, labels: new Int32Array(40), classes: 1 };
    const engine = createEngine({ threads: 1 });
    await writeFile(file.path, 'something else');
    expect(() => openPages(part, openFile)).toThrow(/was replaced/);
    const cache = engine.openKeys(file, part.labels, 1);
    await expect(cache.classSums(keys, BETA)).rejects.toMatchObject({ code: 'keys/replaced' });
    const cut = { ...part, identity: fileIdentity(statSync(file.path)) };
    await expect(openPages(cut, openFile).sums(keys, BETA, false)).rejects.toThrow(/became shorter/);
    await cache.close();
    await engine.close();
  });

  it('of zero length have a cosine of 0 with every query', async () => {
    const zero = matrix(3, 20);
    for (const dtype of ['float16', 'int8'] as const) {
      const part = { ...(await fileOf(zero, dtype)), labels: new Int32Array(3), classes: 1 };
      const pages = openPages(part, openFile);
      expectNear((await pages.sums(noise(1, 20, 1), BETA, false)).data, [3 * Math.exp(-BETA)], 1e-6);
      await pages.close();
    }
  });
});
