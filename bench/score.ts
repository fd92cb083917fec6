import { createEngine } from '../src/engine/node.ts';
import { input } from '../src/graph/expression.ts';
import { matmulT } from '../src/graph/products.ts';
import { sum } from '../src/graph/reduce.ts';
import { type Matrix, matrix, unitRows } from '../src/math/matrix.ts';
import { random } from '../src/math/random.ts';
import { floatTensor } from '../src/math/tensor.ts';
import { methodById } from '../src/methods/index.ts';
import { createScorer } from '../src/methods/score.ts';
import { plainSupport, type Task } from '../src/methods/task.ts';
import { alternate, milliseconds, ratio } from './measure.ts';

const [QUERIES, KEYS, CLASSES, DIMENSION] = [1000, 16_000, 1000, 512];

/** Scoring 1,000 queries against 16,000 keys of 512, beside the bare product of the same matrices in the same runtime. */
export async function benchScore(): Promise<string[]> {
  const engine = createEngine();
  const [keys, text, queries] = [unitNoise(KEYS), unitNoise(CLASSES), unitNoise(QUERIES)];
  const head = { weights: text, promptFeatures: text, promptClass: new Int32Array(CLASSES), logitScale: 100 };
  const task = (label: (i: number) => number): Task => ({
    classes: CLASSES,
    dimension: DIMENSION,
    support: plainSupport(
      keys,
      Int32Array.from({ length: KEYS }, (_, i) => label(i)),
    ),
    head,
    seed: 1,
  });
  const even = await createScorer(
    engine,
    methodById('tip-adapter'),
    { alpha: 1, beta: 5.5 },
    task((i) => i % CLASSES),
  );
  const uneven = await createScorer(
    engine,
    methodById('tip-adapter'),
    { alpha: 1, beta: 5.5 },
    task((i) => (i % 3 === 0 ? i % CLASSES : (i * i) % CLASSES)),
  );
  // The product alone; its rows are added up inside, so that no large result is copied out.
  const product = matmulT(input('f', ['m', DIMENSION]), input('keys', [KEYS, DIMENSION]));
  const bare = await engine.compile({ sums: sum(product, [1]) });
  await bare.keep({ keys: floatTensor([KEYS, DIMENSION], keys.data) });
  const f = floatTensor([QUERIES, DIMENSION], queries.data);

  const times = await alternate(
    { even: () => even.scores(queries), uneven: () => uneven.scores(queries), bare: () => bare.run({ f }) },
    7,
  );
  await engine.close();
  return [
    `Scoring ${QUERIES} queries x ${KEYS} keys x ${DIMENSION}, ${CLASSES} classes`,
    `  bare product            ${milliseconds(times.bare)}`,
    `  Tip-Adapter, 16 a class ${milliseconds(times.even)}   ${ratio(times.even, times.bare)} x the bare product (at most 1.6)`,
    `  Tip-Adapter, ragged     ${milliseconds(times.uneven)}   ${ratio(times.uneven, times.bare)} x`,
  ];
}

function unitNoise(rows: number): Matrix {
  const noise = random('bench', rows);
  return unitRows(
    matrix(
      rows,
      DIMENSION,
      Float32Array.from({ length: rows * DIMENSION }, () => noise.uniform() - 0.5),
    ),
  );
}
