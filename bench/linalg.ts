import { createEngine } from '../src/engine/node.ts';
import { fromRows, type Matrix, matrix, unitRows } from '../src/math/matrix.ts';
import { random } from '../src/math/random.ts';
import { kernelRidge, radial } from '../src/methods/kernel-ridge.ts';

/** Kernel ridge regression of clustered unit rows, as in ProKeR, exact and with landmarks: seconds and the process's peak memory. */
export async function benchLinalg(): Promise<string[]> {
  const engine = createEngine();
  const lines: string[] = [];
  for (const [n, keys] of [
    [3136, 3136],
    [3136, 1024],
    [16_000, 16_000],
    [40_000, 4096],
  ] as const) {
    const rows = clustered(n);
    const targets = matrix(n, 200);
    for (let i = 0; i < n; i++) targets.data[i * 200 + (i % 200)] = 1;
    const landmarks = keys === n ? rows : matrix(keys, rows.cols, rows.data.slice(0, keys * rows.cols));
    const start = performance.now();
    await kernelRidge(rows, landmarks, targets, { kernel: radial(1.7), lambda: 0.1 }, { engine });
    const seconds = ((performance.now() - start) / 1000).toFixed(2);
    const peak = (process.resourceUsage().maxRSS / 2 ** 20).toFixed(2);
    lines.push(
      `kernel ridge, ${n} samples, ${keys} coefficients, 200 classes: ${seconds} s, peak ${peak} GiB`,
    );
  }
  await engine.close();
  return lines;
}

function clustered(n: number): Matrix {
  const { normal } = random('clusters', n);
  const centres = Array.from({ length: 200 }, () => Float32Array.from({ length: 512 }, () => 2 + normal()));
  return unitRows(
    fromRows(Array.from({ length: n }, (_, i) => centres[i % 200]!.map((x) => x + 0.7 * normal()))),
  );
}
