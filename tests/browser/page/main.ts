import { createEngine } from '../../../src/engine/browser.ts';
import { exp } from '../../../src/graph/elementwise.ts';
import { input } from '../../../src/graph/expression.ts';
import { expandTo } from '../../../src/graph/layout.ts';
import { matmul } from '../../../src/graph/products.ts';
import { sum } from '../../../src/graph/reduce.ts';
import { floatTensor } from '../../../src/math/tensor.ts';
import { type StepNumbers, trainedKeys, trainingStep } from '../../engine-parity.ts';

/** The functions of the page that the test calls. */
export interface EnginePage {
  step(options?: Parameters<typeof createEngine>[0]): Promise<{ step: StepNumbers; notes: string[] }>;
  training(): Promise<number[]>;
  longRun(): Promise<{ seconds: number; longestPauseMs: number; interrupted: string }>;
  tooMuch(): Promise<{ code: string; afterwards: number[] }>;
}

const x = input('x', ['n', 'n']);
const square = (size: number) => floatTensor([size, size], new Float32Array(size * size).fill(0.01));
const codeOf = (error: { code?: string }) => String(error.code ?? error);

const page: EnginePage = {
  async step(options = {}) {
    const notes: string[] = [];
    const engine = createEngine({ ...options, note: (line) => notes.push(line) });
    const step = await trainingStep(engine);
    await engine.close();
    return { step, notes };
  },

  async training() {
    const engine = createEngine();
    const keys = await trainedKeys(engine);
    await engine.close();
    return keys;
  },

  async longRun() {
    const engine = createEngine();
    const power = Array.from({ length: 8 }).reduce<typeof x>((y) => matmul(y, y), x);
    const session = await engine.compile({ y: sum(power, [0, 1]) });
    let longestPauseMs = 0;
    let last = performance.now();
    const timer = setInterval(() => {
      const now = performance.now();
      longestPauseMs = Math.max(longestPauseMs, now - last);
      last = now;
    }, 4);
    const started = last;
    await session.run({ x: square(768) });
    const seconds = (performance.now() - started) / 1000;
    clearInterval(timer);
    const stop = new AbortController();
    const running = session.run({ x: square(768) }, { signal: stop.signal });
    stop.abort();
    const interrupted = await running.then(() => 'not interrupted', codeOf);
    await engine.close();
    return { seconds, longestPauseMs, interrupted };
  },

  async tooMuch() {
    const engine = createEngine();
    const session = await engine.compile({ y: exp(expandTo(input('one', [1, 1]), [200_000, 200_000])) });
    const one = floatTensor([1, 1], Float32Array.of(1));
    const code = await session.run({ one }).then(() => 'no error', codeOf);
    const small = await engine.compile({ y: exp(x) });
    const { y } = await small.run({ x: one });
    await engine.close();
    return { code, afterwards: Array.from(y.data as Float32Array) };
  },
};

Object.assign(globalThis, { page });
