import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fit, type RefitValues } from '../src/classifier/index.ts';
import { readDataset } from '../src/dataset/read.ts';
import { renderMarkdown } from '../src/report/table.ts';
import { PHOTOS } from './inputs.ts';

const SHOTS = [1, 2, 4, 8, 16];
const SEEDS = [1, 2, 3];

const METHODS: readonly { name: string; values: RefitValues }[] = [
  { name: 'Zero-shot', values: { method: 'zero-shot' } },
  { name: 'Visual-only cache', values: { method: 'visual-only' } },
  { name: 'Nearest class mean', values: { method: 'prototype' } },
  { name: 'Tip-Adapter, fixed', values: { method: 'tip-adapter', tune: 'fixed' } },
  { name: 'Tip-Adapter, tuned', values: { method: 'tip-adapter', tune: 'folds' } },
];

interface Row {
  readonly method: string;
  /** Mean accuracy over the seeds, in percent, by shots. */
  readonly accuracies: readonly string[];
}

/** Accuracy on real photos with the built-in encoder: mean and range over three draws, tuned on the examples. */
export async function benchPhotos(): Promise<string[]> {
  if (!existsSync(PHOTOS)) return [`skipped: no photos in ${PHOTOS}`];
  const lines: string[] = [];
  for (const name of ['caltech101', 'eurosat', 'dtd10', 'food10']) {
    const dataset = await readDataset(join(PHOTOS, name));
    const fitted = await fit(dataset, { encoder: 'resnet50-minilm', tune: 'fixed', thumbnails: false });
    const test = await fitted.encodeTestSet(dataset);
    const most = Math.max(
      ...dataset.classes.map((_, c) => fitted.data.support.labels.filter((l) => l === c).length),
    );
    const shots = SHOTS.filter((k) => k <= most);
    const rows: Row[] = [];
    for (const { name: method, values } of METHODS) {
      const accuracies: string[] = [];
      for (const k of shots) {
        const scores: number[] = [];
        for (const seed of SEEDS) {
          const classifier = await fitted.refit({ ...values, shots: k, seed });
          scores.push(100 * (await classifier.evaluate(test)).accuracy);
        }
        const mean = scores.reduce((a, b) => a + b, 0) / scores.length;
        accuracies.push(
          `${mean.toFixed(1)} (${Math.min(...scores).toFixed(1)}–${Math.max(...scores).toFixed(1)})`,
        );
      }
      rows.push({ method, accuracies });
    }
    lines.push(`\n${name}: ${dataset.classes.length} classes, ${test.truth.length} test photos\n`);
    lines.push(
      renderMarkdown({
        columns: [
          { title: 'Method', value: (row: Row) => row.method },
          ...shots.map((k, i) => ({
            title: `${k} shots`,
            value: (row: Row) => row.accuracies[i]!,
            align: 'right' as const,
          })),
        ],
        rows,
      }),
    );
    await fitted.close();
  }
  return lines;
}
