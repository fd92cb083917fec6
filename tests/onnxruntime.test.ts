import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { createEngine } from '../src/engine/node.ts';
import { installedRuntime, PACKAGES, type RuntimeBuild } from '../src/engine/onnxruntime.ts';
import { runProgram } from '../src/engine/program.fixture.ts';
import { exp } from '../src/graph/elementwise.ts';
import { input } from '../src/graph/expression.ts';
import { toOnnx } from '../src/graph/onnx.ts';
import { matmul } from '../src/graph/products.ts';
import { floatTensor } from '../src/math/tensor.ts';
import { trainedKeys, trainingStep } from './engine-parity.ts';

const build: { chosen?: RuntimeBuild } = {};
vi.mock(import('../src/engine/onnxruntime.ts'), async (original) => {
  const real = await original();
  return { ...real, chooseRuntime: async (options) => build.chosen ?? real.chooseRuntime(options) };
});

const folder = mkdtempSync(join(tmpdir(), 'runtime-'));
afterAll(() => rmSync(folder, { recursive: true }));

const close = (a: readonly number[], b: readonly number[]) =>
  a.length === b.length && a.every((value, i) => Math.abs(value - b[i]!) < 1e-5 * (1 + Math.abs(b[i]!)));

it('the installed native build equals the one that would be downloaded', () => {
  const lock = JSON.parse(readFileSync(join(import.meta.dirname, '../package-lock.json'), 'utf8'));
  for (const { name, version, integrity } of PACKAGES)
    expect(lock.packages[`node_modules/${name}`]).toMatchObject({ version, integrity });
  expect(installedRuntime()?.version).toBe(PACKAGES[0].version);
});

describe('if the native build does not load', () => {
  const x = input('x', ['n', 'n']);
  const outputs = { y: exp(matmul(x, x)) };
  const broken = join(folder, 'broken.cjs');
  writeFileSync(broken, 'throw new Error("libonnxruntime.so.1: no such file\\nRequire stack");');
  const brokenEngine = (lines: string[] = []) => {
    build.chosen = { version: '1.30.0', native: broken };
    return createEngine({ note: (line) => lines.push(line) });
  };

  it('one line gives the reason, and WebAssembly computes the same results', async () => {
    const native = createEngine();
    const expected = { step: await trainingStep(native), keys: await trainedKeys(native) };
    await native.close();
    const lines: string[] = [];
    const engine = brokenEngine(lines);
    const { loss, ...step } = await trainingStep(engine);
    expect(loss).toBeCloseTo(expected.step.loss, 5);
    for (const name of ['gradient', 'keys', 'probabilities'] as const)
      expect(close(step[name], expected.step[name]), name).toBe(true);
    expect(close(await trainedKeys(engine), expected.keys)).toBe(true);
    await engine.close();
    expect(lines).toEqual([
      "ONNX Runtime's native build cannot be used (libonnxruntime.so.1: no such file); its WebAssembly build computes, several times slower",
    ]);
  });

  it('models are read from files, and devices are not tried', async () => {
    const path = join(folder, 'model.onnx');
    writeFileSync(path, toOnnx(outputs));
    const engine = brokenEngine();
    const session = await engine.load(path);
    const { y } = await session.run({ x: floatTensor([1, 1], Float32Array.of(2)) });
    expect(y?.data[0]).toBeCloseTo(Math.exp(4), 3);
    await engine.close();
  });

  it('runs can be interrupted, and the program ends with its own status', () => {
    const { status, stdout, stderr } = runProgram(`
      import { createEngine } from 'engine/node.ts';
      import { giveUpNative } from 'engine/onnxruntime.ts';
      import { input } from 'graph/expression.ts';
      import { matmul } from 'graph/products.ts';
      await giveUpNative(new Error('none'), (line) => console.log(line.slice(0, 30)));
      const x = input('x', ['n', 'n']);
      const engine = createEngine();
      const session = await engine.compile({ y: matmul(matmul(x, x), x) });
      const stop = new AbortController();
      const tensor = (n) => ({ dtype: 'float32', shape: [n, n], data: new Float32Array(n * n) });
      const running = session.run({ x: tensor(1024) }, { signal: stop.signal });
      setTimeout(() => stop.abort(), 50);
      await running.catch((error) => console.log(error.message));
      console.log((await session.run({ x: tensor(2) })).y.shape);
      process.exitCode = 7;`);
    expect([stderr, status]).toEqual(['', 7]);
    expect(stdout.split('\n').slice(0, 3)).toEqual([
      "ONNX Runtime's native build ca",
      'Interrupted',
      '[ 2, 2 ]',
    ]);
  });
});
