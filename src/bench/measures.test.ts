import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readFeatureDump } from '../dataset/feature-dump.ts';
import { fromRows, matrix } from '../math/matrix.ts';
import { measureScores } from './measures.ts';

const shared = join(import.meta.dirname, '../../../shared');
const cars = join(shared, 'data/clip_vitb32/stanford_cars');
const reference = join(shared, 'golden/calibration.json');

describe('measures of scores', () => {
  it('are zero for certain and correct answers, and their sets have one class', () => {
    const labels = Int32Array.from({ length: 40 }, (_, i) => i % 3);
    const scores = fromRows(Array.from(labels, (label) => [0, 1, 2].map((c) => (c === label ? 60 : 0))));
    const { nll, ece, brier, coverage, setSize } = measureScores(scores, labels, 1);
    for (const value of [nll, ece, brier]) expect(value).toBeCloseTo(0, 6);
    expect([coverage, setSize]).toEqual([1, 1]);
  });

  it('a temperature changes the likelihood', () => {
    const scores = fromRows([
      [1, 0],
      [0, 1],
      [1, 0],
      [1, 0],
    ]);
    const labels = Int32Array.of(0, 1, 0, 1);
    expect(measureScores(scores, labels, 1).nll).toBeCloseTo(
      (3 * Math.log(1 + Math.exp(-1)) + Math.log(1 + Math.E)) / 4,
      10,
    );
    expect(measureScores(scores, labels, 1e9).nll).toBeCloseTo(Math.log(2), 6);
  });

  it.skipIf(!existsSync(reference) || !existsSync(cars))(
    'of zero-shot on Stanford Cars are those of PyTorch (needs ../shared)',
    async () => {
      const { zero_shot: wanted } = JSON.parse(readFileSync(reference, 'utf8')).as_stored;
      const { val, text } = await readFeatureDump(cars);
      const [images, head] = [val!.features, text!];
      const scores = matrix(images.rows, head.rows);
      for (let i = 0; i < images.rows; i++)
        for (let c = 0; c < head.rows; c++) {
          let sum = 0;
          for (let j = 0; j < images.cols; j++)
            sum += images.data[i * images.cols + j]! * head.data[c * head.cols + j]!;
          scores.data[i * head.rows + c] = 100 * sum;
        }
      const measured = measureScores(scores, val!.labels, 1);
      const { all_rows: all, conformal_T1: sets } = wanted;
      expect(Math.abs(measured.nll - all.nll)).toBeLessThan(1e-5);
      expect(Math.abs(measured.brier - all.brier)).toBeLessThan(1e-5);
      expect(Math.abs(measured.ece - all.ece15)).toBeLessThan(1e-3);
      expect(Math.abs(measured.coverage - sets.coverage)).toBeLessThan(1.5 / sets.test_rows);
      expect(Math.abs(measured.setSize - sets.mean_set_size)).toBeLessThan(0.01);
    },
    60_000,
  );
});
