import { availableParallelism } from 'node:os';
import { createEngine } from '../src/engine/node.ts';
import type { Trainer } from '../src/engine/training/types.ts';
import { input } from '../src/graph/expression.ts';
import { matmulT } from '../src/graph/products.ts';
import { sum } from '../src/graph/reduce.ts';
import { floatTensor, type Tensor } from '../src/math/tensor.ts';
import { countCorrect, crossEntropy } from '../src/methods/loss.ts';
import type { TaskWith } from '../src/methods/method.ts';
import { keyTraining } from '../src/methods/tip-adapter-f.ts';
import { milliseconds, ratio } from './measure.ts';
import { noiseTask, unitNoise } from './noise.ts';
import { peerTimes, torchPeers } from './torch.ts';

const [KEYS, CLASSES, BATCH, ROUNDS, STEPS] = [16_000, 1000, 256, 7, 3];

/**
 * Times one step of Tip-Adapter-F at ImageNet's size, alternating with two forms in each PyTorch and with the two products that every step
 * needs (the floor), at the speed of the runtime's own product in the same process.
 */
export async function benchStep(): Promise<string[]> {
  const { peers, missing } = torchPeers();
  const lines = [
    `Tip-Adapter-F step: ${KEYS} keys, ${CLASSES} classes, batch ${BATCH}, ${availableParallelism()} threads`,
  ];
  for (const dimension of [1024, 512]) {
    const engine = createEngine();
    const { trainer, feeds } = await prepareStep(dimension);
    const f = input('f', [BATCH, dimension]);
    const keys = input('keys', [KEYS, dimension]);
    const bare = await engine.compile({ sums: sum(matmulT(f, keys), [1]) });
    await bare.keep({ keys: floatTensor([KEYS, dimension], unitNoise(KEYS, dimension).data) });
    const times = { ours: [] as number[], floor: [] as number[] };
    const others = peerTimes(peers);
    for (let round = 0; round <= ROUNDS; round++) {
      const ours = await timed(() => trainer.step(feeds, 1e-3));
      const product = await timed(() => bare.run({ f: feeds.f! }));
      if (round === 0) continue;
      times.ours.push(ours);
      // The floor includes the text head's product.
      times.floor.push(product * (2 + CLASSES / KEYS));
      const settings = {
        n: KEYS,
        d: dimension,
        c: CLASSES,
        batch: BATCH,
        repeat: STEPS,
        threads: availableParallelism(),
      };
      for (const { peer, official, expert } of others) {
        const figure = peer.run('step', settings);
        official.push(figure('official_ms'));
        expert.push(figure('expert_ms'));
      }
    }
    await trainer.close();
    await engine.close();
    const name = `Tip-Adapter-F step, ${dimension} numbers a key / its products`;
    lines.push(
      `  ${dimension} numbers a key: ${milliseconds(times.ours)}, ${ratio(times.ours, times.floor, name)} x its products (${milliseconds(times.floor)})`,
    );
    for (const { peer, official, expert } of others)
      lines.push(
        `    ${peer.name}, published form ${milliseconds(official)}: ${ratio(official, times.ours)} x ours`,
        `    ${peer.name}, expert form    ${milliseconds(expert)}: ${ratio(expert, times.ours)} x ours`,
      );
  }
  return [...lines, ...missing.map((reason) => `  ${reason}`)];
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  await work();
  const start = performance.now();
  for (let i = 0; i < STEPS; i++) await work();
  return (performance.now() - start) / STEPS;
}

/** Tip-Adapter-F's trainer on random features, and a batch. */
async function prepareStep(dimension: number): Promise<{ trainer: Trainer; feeds: Record<string, Tensor> }> {
  const engine = createEngine();
  const task = imagenetSized(dimension);
  const training = keyTraining(task, { alpha: 1, beta: 5.5, epochs: 1, rate: 1e-3, batch: BATCH });
  const [f, labels] = [input('f', ['b', dimension]), input('labels', ['b', 1])];
  const scores = training.scores({ f, labels });
  const trainer = await engine.train({
    ...training,
    loss: crossEntropy(scores, labels),
    observe: { correct: countCorrect(scores, labels) },
  });
  const classes = Float32Array.from({ length: BATCH }, (_, i) => i);
  return {
    trainer: {
      ...trainer,
      close: async () => {
        await trainer.close();
        await engine.close();
      },
    },
    feeds: {
      f: floatTensor([BATCH, dimension], unitNoise(BATCH, dimension).data),
      labels: floatTensor([BATCH, 1], classes),
    },
  };
}

/** A 16-shot task of ImageNet's size on random features. */
export function imagenetSized(dimension: number): TaskWith<'text'> {
  return noiseTask(unitNoise(KEYS, dimension), (i) => i % CLASSES, CLASSES);
}
