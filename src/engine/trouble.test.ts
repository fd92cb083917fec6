import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { afterAll, describe, expect, it } from 'vitest';
import { exp } from '../graph/elementwise.ts';
import { input } from '../graph/expression.ts';
import { expandTo } from '../graph/layout.ts';
import { matmul } from '../graph/products.ts';
import { sum } from '../graph/reduce.ts';
import { floatTensor } from '../math/tensor.ts';
import { refusalOf } from './device.ts';
import { createEngine, examineDevices } from './node.ts';
import { runProgram } from './program.fixture.ts';

const engine = createEngine();
afterAll(() => engine.close());

const x = input('x', ['m', 'n']);
const square = (size: number) => floatTensor([size, size], new Float32Array(size * size).fill(0.01));

/** Seconds of work: powers of a matrix. */
const long = {
  y: sum(
    Array.from({ length: 12 }).reduce<typeof x>((y) => matmul(y, y), input('x', ['n', 'n'])),
    [0, 1],
  ),
};

/** 16 TB. */
const huge = { y: exp(expandTo(input('x', [1, 1]), [2_000_000, 2_000_000])) };

/** Delays of this thread's event loop while something goes on, in milliseconds. */
async function loopDelays(
  work: () => Promise<unknown>,
): Promise<{ p99: number; max: number; count: number }> {
  const delays = monitorEventLoopDelay({ resolution: 5 });
  delays.enable();
  await work();
  delays.disable();
  return { p99: delays.percentile(99) / 1e6, max: delays.max / 1e6, count: delays.count };
}

/** Keeps all cores busy for a second, without the engine. */
const spin = () =>
  Promise.all(
    Array.from({ length: availableParallelism() }, () =>
      once(
        new Worker('const end = Date.now() + 1000; while (Date.now() < end);', { eval: true, execArgv: [] }),
        'exit',
      ),
    ),
  );

describe('a long product', () => {
  it('does not block the event loop: p99 of its delays under 20 ms, never 100 ms, on a quiet machine', {
    retry: 2,
  }, async () => {
    const session = await engine.compile(long);
    await session.run({ x: square(8) });
    const x = square(1536);
    const anyway = await loopDelays(spin);
    const { p99, max, count } = await loopDelays(() => session.run({ x }));
    expect(count).toBeGreaterThan(20);
    expect(p99).toBeLessThan(Math.max(20, 2 * anyway.p99));
    expect(max).toBeLessThan(Math.max(100, 2 * anyway.max));
  });

  it('rejects at once when the signal fires during it, and the engine works afterwards', {
    retry: 2,
  }, async () => {
    const session = await engine.compile(long);
    const controller = new AbortController();
    const running = session.run({ x: square(1024) }, { signal: controller.signal });
    await setTimeout(50);
    controller.abort();
    const started = performance.now();
    await expect(running).rejects.toMatchObject({ code: 'interrupted' });
    expect(performance.now() - started).toBeLessThan(150);
    expect((await session.run({ x: square(2) })).y.shape).toEqual([]);
  });
});

describe('an engine in trouble', () => {
  it('reports a lack of memory, prints nothing, and works afterwards', async () => {
    const session = await engine.compile(huge);
    const one = floatTensor([1, 1], Float32Array.of(1));
    await expect(session.run({ x: one })).rejects.toMatchObject({ code: 'engine/memory', exitCode: 4 });
    const small = await engine.compile({ y: exp(x) });
    expect((await small.run({ x: one })).y.data[0]).toBeCloseTo(Math.E, 5);
  });

  it('reports that its thread died, and works afterwards in another one', async () => {
    let thread: Worker | undefined;
    process.once('worker', (worker) => {
      thread = worker;
    });
    const own = createEngine({ threads: 1 });
    const session = await own.compile(long);
    void thread?.terminate();
    await expect(session.run({ x: square(2) })).rejects.toMatchObject({
      code: 'engine/stopped',
      exitCode: 4,
    });
    expect((await session.run({ x: square(2) })).y.shape).toEqual([]);
    await own.close();
  });

  it('can be closed in the middle of a run, which ends with an error while the process continues', async () => {
    const own = createEngine({ threads: 1 });
    const session = await own.compile(long);
    const running = expect(session.run({ x: square(1024) })).rejects.toMatchObject({
      code: 'engine/stopped',
    });
    await setTimeout(50);
    await own.close();
    await running;
  });

  it("lets a program end in the middle of a run, with the program's own status", () => {
    const { status, stdout, stderr } = runProgram(`
      import { createEngine } from 'engine/node.ts';
      import { input } from 'graph/expression.ts';
      import { matmul } from 'graph/products.ts';
      const x = input('x', ['n', 'n']);
      const session = await createEngine().compile({ y: matmul(matmul(matmul(x, x), x), x) });
      const stop = new AbortController();
      const tensor = { dtype: 'float32', shape: [1536, 1536], data: new Float32Array(1536 * 1536) };
      const running = session.run({ x: tensor }, { signal: stop.signal });
      setTimeout(() => stop.abort(), 50);
      await running.catch((error) => console.log(error.message));
      process.exitCode = 130;`);
    expect([stderr, stdout.trim(), status]).toEqual(['', 'Interrupted', 130]);
  });
});

describe('a device that is not there', () => {
  it('is replaced by the CPU, with one line', async () => {
    const refused = (await examineDevices()).filter((each) => each.refused !== undefined);
    expect(refused.map(({ device }) => device)).not.toContain('cpu');
    expect(refused.length).toBeGreaterThan(0);
    const { device } = refused[0]!;
    const lines: string[] = [];
    const own = createEngine({ device, threads: 1, note: (line) => lines.push(line) });
    const sessions = await Promise.all([own.compile({ y: exp(x) }), own.compile({ y: exp(x) })]);
    for (const session of sessions) expect((await session.run({ x: square(2) })).y.shape).toEqual([2, 2]);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(new RegExp(`^Device ${device} cannot be used \\(.+\\); the CPU replaces it$`));
    await own.close();
  });

  it("is reported without paths into the runtime's source", () => {
    const message = '/src/webgpu_context.cc:136 f() was false. Failed to get a WebGPU adapter: none\n  more';
    expect(refusalOf(message)).toBe('Failed to get a WebGPU adapter: none');
    expect(refusalOf('something else')).toBe('something else');
  });
});
