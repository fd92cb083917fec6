import { createEngine } from '../src/engine/node.ts';
import { input } from '../src/graph/expression.ts';
import { matmulT } from '../src/graph/products.ts';
import { sum } from '../src/graph/reduce.ts';
import { type Matrix, matrix, unitRows } from '../src/math/matrix.ts';
import { random } from '../src/math/random.ts';
import { floatTensor } from '../src/math/tensor.ts';
import { plainSupport, type Task } from '../src/methods/task.ts';
import { keyTraining } from '../src/methods/tip-adapter-f.ts';
import { alternate, milliseconds, ratio } from './measure.ts';

const [KEYS, CLASSES, BATCH] = [16_000, 1000, 256];

/** One step of Tip-Adapter-F at ImageNet's size, beside the products it cannot do without. */
export async function benchStep(): Promise<string[]> {
  const lines = [`Tip-Adapter-F step, ${KEYS} keys, ${CLASSES} classes, batch ${BATCH}`];
  for (const dimension of [1024, 512]) lines.push(...(await stepOf(dimension)));
  return lines;
}

async function stepOf(dimension: number): Promise<string[]> {
  const engine = createEngine();
  const noise = (rows: number) => unitNoise(rows, dimension);
  const [keys, text, queries] = [noise(KEYS), noise(CLASSES), noise(BATCH)];
  const task: Task = {
    classes: CLASSES,
    dimension,
    support: plainSupport(
      keys,
      Int32Array.from({ length: KEYS }, (_, i) => i % CLASSES),
    ),
    head: { weights: text, promptFeatures: text, promptClass: new Int32Array(CLASSES), logitScale: 100 },
    seed: 1,
    engine,
  };
  const training = keyTraining(task, { alpha: 1, beta: 5.5, epochs: 1, rate: 1e-3, batch: BATCH });
  const f = input('f', ['b', dimension]);
  const labels = input('labels', ['b', 1]);
  const scores = training.scores({ f, labels });
  const { crossEntropy, countCorrect } = await import('../src/methods/loss.ts');
  const trainer = await engine.train({
    ...training,
    loss: crossEntropy(scores, labels),
    observe: { correct: countCorrect(scores, labels) },
  });
  const feeds = {
    f: floatTensor([BATCH, dimension], queries.data),
    labels: floatTensor([BATCH, 1], Float32Array.from({ length: BATCH }, (_, i) => i)),
  };
  const product = matmulT(input('f', [BATCH, dimension]), input('keys', [KEYS, dimension]));
  const bare = await engine.compile({ sums: sum(product, [1]) });
  await bare.keep({ keys: floatTensor([KEYS, dimension], keys.data) });
  const times = await alternate(
    { step: () => trainer.step(feeds, 1e-3), bare: () => bare.run({ f: feeds.f }) },
    11,
  );
  await engine.close();
  return [
    `  ${dimension} numbers a key: ${milliseconds(times.step)}; the bare product ${milliseconds(times.bare)}; ${ratio(times.step, times.bare)}`,
  ];
}

function unitNoise(rows: number, dimension: number): Matrix {
  const noise = random('bench', rows);
  return unitRows(
    matrix(
      rows,
      dimension,
      Float32Array.from({ length: rows * dimension }, () => noise.uniform() - 0.5),
    ),
  );
}
