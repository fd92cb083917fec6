import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { exp, mul, sub } from '../graph/elementwise.ts';
import { input } from '../graph/expression.ts';
import { interpret } from '../graph/interpret.ts';
import { reshape } from '../graph/layout.ts';
import { matmulT, unit } from '../graph/products.ts';
import { logSoftmax, sum } from '../graph/reduce.ts';
import { fromRows, unitRows } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import { floatTensor } from '../math/tensor.ts';
import { interpreterEngine } from './interpreter-engine.ts';
import { createEngine } from './node.ts';
import { runProgram } from './program.fixture.ts';

const engine = createEngine();
afterAll(() => engine.close());

function randomTensor(seed: number, ...shape: number[]) {
  const r = random('engine', seed);
  return floatTensor(
    shape,
    Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => r.normal()),
  );
}

const f = input('f', ['m', 8]);
const keys = input('keys', ['n', 8]);
const beta = input('beta', []);
const sums = sum(reshape(exp(mul(beta, sub(matmulT(f, keys), 1))), ['m', 3, 'k']), [2]);
const outputs = { sums, probabilities: logSoftmax(sums) };
const feeds = {
  f: randomTensor(1, 5, 8),
  keys: randomTensor(2, 6, 8),
  beta: floatTensor([], Float32Array.of(0.5)),
};

describe('engine', () => {
  it('computes what the interpreter computes', async () => {
    const session = await engine.compile(outputs);
    expect(session.inputs.map((port) => port.name).sort()).toEqual(['beta', 'f', 'keys']);
    const got = await session.run(feeds);
    const expected = interpret(outputs, feeds);
    for (const name of ['sums', 'probabilities'] as const) {
      expect(got[name].shape).toEqual(expected[name].shape);
      expected[name].data.forEach((value, i) => {
        expect(Math.abs(Number(got[name].data[i]) - value)).toBeLessThan(1e-5 * (1 + Math.abs(value)));
      });
    }
    await session.close();
  });

  it.each([
    ['the engine', engine],
    ['the interpreter', interpreterEngine()],
  ])('makes rows of any length unit, as float64 does, in %s', async (_, own) => {
    const session = await own.compile({ unit: unit(input('x', ['m', 4])) });
    const number = fc
      .tuple(fc.double({ min: -1, max: 1, noNaN: true }), fc.integer({ min: -45, max: 38 }))
      .map(([x, exponent]) => Math.fround(x * 10 ** exponent));
    const rows = fc.array(fc.array(number, { minLength: 4, maxLength: 4 }), { minLength: 1, maxLength: 20 });
    const alike = (factor: number) => [3, -4, 0, 12].map((x) => x * factor);
    await fc.assert(
      fc.asyncProperty(rows, async (given) => {
        const x = fromRows(given);
        const got = await session.run({ x: floatTensor([x.rows, 4], x.data.slice()) });
        unitRows(x).data.forEach((value, i) => {
          expect(Math.abs(Number(got.unit.data[i]) - value), `${given}`).toBeLessThan(1e-6);
        });
      }),
      { numRuns: 100, examples: [[[1e-45, 1e-23, 1e-20, 1e-13, 0, 1, 1e17, 1e18, 1e37].map(alike)]] },
    );
    await session.close();
  });

  it('runs with another number of rows without compiling again, and keeps inputs that were set with keep()', async () => {
    const session = await engine.compile({ sums });
    await session.keep({ keys: feeds.keys, beta: feeds.beta });
    const got = await session.run({ f: randomTensor(3, 2, 8) });
    expect(got.sums.shape).toEqual([2, 3]);
    const more = await session.run({ f: feeds.f, keys: randomTensor(4, 12, 8) });
    expect(more.sums.shape).toEqual([5, 3]);
  });

  it('rejects at once when the signal fires, and works afterwards', async () => {
    const session = await engine.compile({ sums });
    const controller = new AbortController();
    const running = session.run(feeds, { signal: controller.signal });
    controller.abort();
    await expect(running).rejects.toMatchObject({ exitCode: 130 });
    expect((await session.run(feeds)).sums.shape).toEqual([5, 3]);
  });

  it('computes with views on parts of the same numbers', async () => {
    const all = randomTensor(6, 7, 8);
    const rows = (from: number, to: number) =>
      floatTensor([to - from, 8], (all.data as Float32Array).subarray(8 * from, 8 * to));
    const products = { out: matmulT(f, keys) };
    const session = await engine.compile(products);
    const exact = await interpreterEngine().compile(products);
    for (const f of [rows(0, 7), rows(2, 4), rows(5, 7)])
      for (const keys of [all, rows(1, 6)]) {
        const [{ out }, expected] = [await session.run({ f, keys }), await exact.run({ f, keys })];
        expect(out.shape).toEqual(expected.out.shape);
        out.data.forEach((x, i) => {
          expect(x).toBeCloseTo(expected.out.data[i] as number, 4);
        });
      }
    expect(all.data).toHaveLength(56);
  });

  it('refuses a buffer that was transferred before, and works afterwards', async () => {
    const session = await engine.compile({ sums });
    const given = { ...feeds, f: randomTensor(5, 5, 8) };
    const transfer = [given.f.data.buffer as ArrayBuffer];
    await session.run(given, { transfer });
    await expect(session.run(given, { transfer })).rejects.toMatchObject({ code: 'engine/feed' });
    expect((await session.run(feeds)).sums.shape).toEqual([5, 3]);
  });

  it('names a missing input and a file that is not a model', async () => {
    const session = await engine.compile({ sums });
    await expect(session.run({ f: feeds.f })).rejects.toMatchObject({ code: 'engine/runtime', exitCode: 4 });
    await expect(engine.load(new Uint8Array([1, 2, 3]))).rejects.toMatchObject({ code: 'engine/runtime' });
  });

  it('starts again after its worker was closed', async () => {
    const own = createEngine({ threads: 1 });
    const session = await own.compile({ sums });
    await session.keep({ keys: feeds.keys, beta: feeds.beta });
    await own.close();
    expect((await session.run({ f: feeds.f })).sums.shape).toEqual([5, 3]);
    await own.close();
  });

  it.skipIf(process.platform === 'win32')(
    'leaves nothing in the folder for temporary files, and sends no telemetry',
    () => {
      const { status, stdout, stderr } = runProgram(
        `import { createEngine } from 'engine/node.ts';
      import { exp } from 'graph/elementwise.ts';
      import { input } from 'graph/expression.ts';
      const { mkdtempSync, readdirSync, rmSync } = await import('node:fs');
      delete process.env.ORT_DISABLE_TELEMETRY;
      delete process.env.CI;
      process.env.TMPDIR = mkdtempSync('/tmp/telemetry-');
      const engine = createEngine({ threads: 1 });
      await engine.compile({ y: exp(input('x', [1])) });
      await engine.close();
      console.log(readdirSync(process.env.TMPDIR).join());
      rmSync(process.env.TMPDIR, { recursive: true });`,
      );
      expect([stderr, status, stdout.trim()]).toEqual(['', 0, '']);
    },
  );

  it('works with a command line of a thousand photos', () => {
    const photos = Array.from(
      { length: 1000 },
      (_, i) => `/home/someone/Pictures/a holiday somewhere/IMG_${1000 + i}.jpg`,
    );
    const { status, signal, stdout, stderr } = runProgram(
      `import { createEngine } from 'engine/node.ts';
      import { exp } from 'graph/elementwise.ts';
      import { input } from 'graph/expression.ts';
      const engine = createEngine({ threads: 1 });
      console.log((await engine.compile({ y: exp(input('x', [1])) })).outputs[0].name);
      await engine.close();`,
      photos,
    );
    expect([stderr, status, signal, stdout.trim()]).toEqual(['', 0, null, 'y']);
  });
});
