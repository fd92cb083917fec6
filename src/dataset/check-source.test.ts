import { expect, it } from 'vitest';
import { checkSource } from './check-source.ts';
import { sampleFewShot } from './few-shot.ts';
import { splitDataset } from './split.ts';
import type { Dataset, Example } from './types.ts';

const dataset = (labels: readonly number[]): Dataset => ({
  name: 'pets',
  root: '/pets',
  classes: ['cat', 'dog'].map((id) => ({ id, name: id, promptName: id, prompts: [] })),
  examples: labels.map(
    (label, i): Example => ({ id: `${i}.png`, label, read: async () => new Uint8Array() }),
  ),
  findings: [],
});

it.each<[string, (data: Dataset) => unknown]>([
  ['checkSource', checkSource],
  ['splitDataset', (data) => splitDataset(data, { testFraction: 0.5, seed: 1 })],
  ['sampleFewShot', (data) => sampleFewShot(data, { shots: 1, seed: 1 })],
])('%s refuses labels outside of the classes, and accepts pictures without a label', (_, use) => {
  expect(() => use(dataset([0, 0, 1, 1, -1]))).not.toThrow();
  for (const wrong of [2, -2, 0.5, Number.NaN])
    expect(() => use(dataset([0, 0, 1, wrong])), `${wrong}`).toThrow(
      `3.png has the label ${wrong}; the classes of pets are 0 to 1`,
    );
});
