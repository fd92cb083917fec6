import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fit } from '../src/classifier/index.ts';
import { readDataset } from '../src/dataset/read.ts';
import { PHOTOS } from './inputs.ts';

const SHOTS = 4;
const SEEDS = [1, 2, 3];
const VIEWS = [1, 10];

/** Benefit and cost of averaging augmented views: Tip-Adapter tuned on its examples, four shots, three draws. */
export async function benchViews(): Promise<string[]> {
  if (!existsSync(PHOTOS)) return [`skipped: no photos in ${PHOTOS}`];
  const lines = [`Views per example, ${SHOTS} shots, mean of ${SEEDS.length} draws, resnet50-minilm`];
  for (const name of ['eurosat', 'dtd10', 'food10']) {
    const dataset = await readDataset(join(PHOTOS, name));
    for (const views of VIEWS) {
      const accuracies: number[] = [];
      let seconds = 0;
      for (const seed of SEEDS) {
        const started = performance.now();
        const options = { encoder: 'resnet50-minilm', shots: SHOTS, seed, views, thumbnails: false };
        const classifier = await fit(dataset, options);
        seconds += (performance.now() - started) / 1000 / SEEDS.length;
        accuracies.push(100 * (await classifier.evaluate(dataset)).accuracy);
        await classifier.close();
      }
      const mean = accuracies.reduce((a, b) => a + b, 0) / accuracies.length;
      lines.push(
        `  ${name}, ${views} ${views === 1 ? 'view ' : 'views'}: ${mean.toFixed(1)}%, fitted in ${seconds.toFixed(1)} s`,
      );
    }
  }
  return lines;
}
