import { availableParallelism } from 'node:os';
import { createEngine } from '../src/engine/node.ts';
import type { Engine } from '../src/engine/types.ts';
import { input } from '../src/graph/expression.ts';
import { matmulT } from '../src/graph/products.ts';
import { sum } from '../src/graph/reduce.ts';
import type { Matrix } from '../src/math/matrix.ts';
import { floatTensor } from '../src/math/tensor.ts';
import { methodById } from '../src/methods/index.ts';
import { createScorer } from '../src/methods/score.ts';
import { alternate, milliseconds, ratio } from './measure.ts';
import { noiseTask, unitNoise } from './noise.ts';
import { peerTimes, torchPeers } from './torch.ts';

const [KEYS, CLASSES] = [16_000, 1000];
/** The number of ImageNet's validation pictures, which are scored in one call, and the share of them that PyTorch scores. */
const [MANY, MANY_WIDTH, SHARE, MANY_ROUNDS] = [50_000, 1024, 10, 3];
const [FEW, FEW_WIDTH, ROUNDS] = [1000, 512, 7];

/** Times scoring with Tip-Adapter against the bare product of the same matrices in the same runtime, and against PyTorch. */
export async function benchScore(): Promise<string[]> {
  const engine = createEngine();
  const lines = [...(await scoreMany(engine)), ...(await scoreFew(engine))];
  await engine.close();
  return lines;
}

/** Scores all of ImageNet's validation pictures as a stream. Memory does not depend on their number. */
async function scoreMany(engine: Engine): Promise<string[]> {
  const { peers, missing } = torchPeers();
  const others = peerTimes(peers);
  const [keys, queries] = [unitNoise(KEYS, MANY_WIDTH), unitNoise(MANY, MANY_WIDTH)];
  const scorer = await tipAdapter(engine, keys, (i) => i % CLASSES);
  const bare = await bareProduct(engine, keys);
  const times = { ours: [] as number[], bare: [] as number[] };
  const timed = async (work: () => Promise<unknown>) => {
    const start = performance.now();
    await work();
    return performance.now() - start;
  };
  for (let round = 0; round < MANY_ROUNDS; round++) {
    times.ours.push(await timed(() => scorer.scores(queries)));
    times.bare.push(await timed(() => bare(queries)));
    const settings = {
      m: MANY / SHARE,
      n: KEYS,
      d: MANY_WIDTH,
      c: CLASSES,
      threads: availableParallelism(),
      repeat: 1,
    };
    for (const { peer, official, expert } of others) {
      const figure = peer.run('score', settings);
      official.push(figure('official_ms') * SHARE);
      expert.push(figure('expert_ms') * SHARE);
    }
  }
  await scorer.close();
  return [
    `Scoring ${MANY} queries x ${KEYS} keys x ${MANY_WIDTH}, ${CLASSES} classes, ${availableParallelism()} threads`,
    `  bare product            ${milliseconds(times.bare)}`,
    `  Tip-Adapter, 16 a class ${milliseconds(times.ours)}   ${ratio(times.ours, times.bare, 'scoring, 50,000 queries / bare product')} x the bare product (at most 1.6)`,
    ...others.flatMap(({ peer, official, expert }) => [
      `  ${peer.name}, published form ${milliseconds(official)}: ${ratio(official, times.ours)} x ours (from a tenth of the queries)`,
      `  ${peer.name}, expert form    ${milliseconds(expert)}: ${ratio(expert, times.ours)} x ours (from a tenth of the queries)`,
    ]),
    ...missing.map((reason) => `  ${reason}`),
  ];
}

/** A thousand queries, with classes of equal and of different sizes. */
async function scoreFew(engine: Engine): Promise<string[]> {
  const [keys, queries] = [unitNoise(KEYS, FEW_WIDTH), unitNoise(FEW, FEW_WIDTH)];
  const even = await tipAdapter(engine, keys, (i) => i % CLASSES);
  const uneven = await tipAdapter(engine, keys, (i) => (i % 3 === 0 ? i % CLASSES : (i * i) % CLASSES));
  const bare = await bareProduct(engine, keys);
  const times = await alternate(
    { even: () => even.scores(queries), uneven: () => uneven.scores(queries), bare: () => bare(queries) },
    ROUNDS,
  );
  return [
    `Scoring ${FEW} queries x ${KEYS} keys x ${FEW_WIDTH}, ${CLASSES} classes`,
    `  bare product            ${milliseconds(times.bare)}`,
    `  Tip-Adapter, 16 a class ${milliseconds(times.even)}   ${ratio(times.even, times.bare, 'scoring, even classes / bare product')} x the bare product (at most 1.6)`,
    `  Tip-Adapter, ragged     ${milliseconds(times.uneven)}   ${ratio(times.uneven, times.bare, 'scoring, ragged classes / bare product')} x`,
  ];
}

/** A scorer of Tip-Adapter. */
export function tipAdapter(engine: Engine, keys: Matrix, label: (i: number) => number, classes = CLASSES) {
  const task = noiseTask(keys, label, classes);
  return createScorer(engine, methodById('tip-adapter'), { alpha: 1, beta: 5.5 }, task);
}

/** Number of queries in one run of the bare product. */
const CHUNK = 1000;

/** Only the product. It returns the sum of its rows, so that no large result is copied. */
export async function bareProduct(engine: Engine, keys: Matrix): Promise<(queries: Matrix) => Promise<void>> {
  const product = matmulT(input('f', ['m', keys.cols]), input('keys', [keys.rows, keys.cols]));
  const session = await engine.compile({ sums: sum(product, [1]) });
  await session.keep({ keys: floatTensor([keys.rows, keys.cols], keys.data) });
  return async ({ rows, cols, data }) => {
    for (let start = 0; start < rows; start += CHUNK) {
      const count = Math.min(CHUNK, rows - start);
      await session.run({
        f: floatTensor([count, cols], data.subarray(start * cols, (start + count) * cols)),
      });
    }
  };
}
