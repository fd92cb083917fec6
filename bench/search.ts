import { availableParallelism } from 'node:os';
import { createEngine } from '../src/engine/node.ts';
import { alphaIntervals, bestAlpha } from '../src/tuning/alpha-intervals.ts';
import { prepareClassSums, textLogits, tuningRowsOfSplit } from '../src/tuning/cache-search.ts';
import { paperSearch } from '../src/tuning/paper.ts';
import { median, milliseconds, ratio } from './measure.ts';
import { noiseTask, unitNoise } from './noise.ts';
import { bareProduct } from './score.ts';
import { peerTimes, torchPeers } from './torch.ts';

const [QUERIES, CLASSES, SHOTS, DIMENSION, ROUNDS] = [2500, 100, 16, 512, 5];

/** Share of the queries for the published form, which takes minutes. It is measured once, and its time is divided by this share. */
const SHARE = 1 / 20;

/**
 * Times the search for alpha and beta over 200 betas, from features to the choice: with every alpha at once (exact), and with the
 * published 200 x 20 grid. They alternate with each PyTorch's optimised form of the grid. The published form is measured once.
 */
export async function benchSearch(): Promise<string[]> {
  const engine = createEngine();
  const task = noiseTask(unitNoise(CLASSES * SHOTS, DIMENSION), (i) => i % CLASSES, CLASSES);
  const labels = Int32Array.from({ length: QUERIES }, (_, i) => i % CLASSES);
  const queries = unitNoise(QUERIES, DIMENSION);
  const tuningRows = tuningRowsOfSplit(task.support, queries, labels);
  const prepared = async () => {
    const zeroShot = await textLogits(engine, task, tuningRows);
    const sums = await prepareClassSums(engine, task, tuningRows);
    await sums.close();
    if (!zeroShot) throw new Error('the task has a text head');
    return { zeroShot, affinities: sums.affinities };
  };
  const exact = async () => {
    const { zeroShot, affinities } = await prepared();
    const found = alphaIntervals(zeroShot, affinities, labels, { first: 0.1, step: 6.9 / 200, count: 200 });
    for (let i = 0; i < 200; i++) bestAlpha(found, i, 3);
  };
  const grid = async () => {
    const { zeroShot, affinities } = await prepared();
    paperSearch(zeroShot, affinities, labels, { betaScale: 7, alphaScale: 3 });
  };
  const bare = await bareProduct(engine, task.support.features);
  const product = () => bare(queries);
  const { peers, missing } = torchPeers();
  const others = peerTimes(peers);
  const times = {
    product: [] as number[],
    exact: [] as number[],
    grid: [] as number[],
  };
  const settings = { m: QUERIES, c: CLASSES, d: DIMENSION, shots: SHOTS, threads: availableParallelism() };
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [name, work] of Object.entries({ product, exact, grid })) {
      const start = performance.now();
      await work();
      if (round > 0) times[name as 'product'].push(performance.now() - start);
    }
    if (round === 0) continue;
    for (const { peer, expert } of others)
      expert.push(peer.run('search', { ...settings, repeat: 1 })('hoisted_ms'));
  }
  for (const { peer, official } of others) {
    const few = { ...settings, m: QUERIES * SHARE, repeat: 1, official: true } as const;
    official.push(peer.run('search', few)('official_ms') / SHARE);
  }
  await engine.close();
  return [
    `Search for alpha and beta, ${QUERIES} queries, ${CLASSES} classes x ${SHOTS} examples x ${DIMENSION}, 200 betas, ${availableParallelism()} threads`,
    `  every alpha, exactly    ${milliseconds(times.exact)}   ${ratio(times.exact, times.product, 'search, every alpha / its product')} x the product of queries and keys`,
    `  the published 20 alphas ${milliseconds(times.grid)}   ${ratio(times.grid, times.product, 'search, published alphas / its product')} x`,
    ...others.flatMap(({ peer, official, expert }) => [
      `  ${peer.name}, expert form    ${milliseconds(expert)}: ${ratio(expert, times.exact)} x every alpha, ${ratio(expert, times.grid)} x the published alphas`,
      `  ${peer.name}, published form ${(median(official) / 1000).toFixed(0)} s, from a twentieth of the queries: ${Math.round(median(official) / median(times.exact))} x every alpha`,
    ]),
    ...missing.map((reason) => `  ${reason}`),
  ];
}
