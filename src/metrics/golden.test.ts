import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { fromHalf } from '../math/half.ts';
import { fromRows, type Matrix, matrix, row, selectRows, softmax } from '../math/matrix.ts';
import { parseNpy } from '../store/npy.ts';
import {
  accuracy,
  brierScore,
  conformalQuantile,
  conformalSets,
  evaluateSets,
  expectedCalibrationError,
  fitTemperature,
  negativeLogLikelihood,
  reliabilityBins,
} from './index.ts';

const shared = join(import.meta.dirname, '../../../shared');
const features = join(shared, 'data/clip_vitb32/stanford_cars');
const reference = join(shared, 'golden/calibration.json');
const there = existsSync(features) && existsSync(reference);

interface Measures {
  rows: number;
  correct: number;
  ece15: number;
  nll: number;
  brier: number;
}

interface Conformal {
  temperature: number;
  quantile: number;
  mean_set_size: number;
  empty_sets: number;
  covered: number;
}

function load(name: string): Matrix {
  const { dtype, shape, data } = parseNpy(readFileSync(join(features, `${name}.npy`)));
  const values = dtype === 'float16' ? fromHalf(data as Uint16Array) : (data as Float32Array);
  return matrix(shape[0]!, shape[1]!, values);
}

function labelsOf(name: string): Int32Array {
  return Int32Array.from(
    JSON.parse(readFileSync(join(features, 'info.json'), 'utf8')).files[`${name}.npy`].labels,
  );
}

/** Row i of a times row k of b, summed in float64. With typed arrays and four sums, billions of these take seconds. */
function cosine(a: Matrix, i: number, b: Matrix, k: number): number {
  const [x, y, width] = [a.data, b.data, a.cols];
  let [s0, s1, s2, s3] = [0, 0, 0, 0];
  for (let j = i * width, l = k * width, end = j + width; j < end; j += 4, l += 4) {
    s0 += x[j]! * y[l]!;
    s1 += x[j + 1]! * y[l + 1]!;
    s2 += x[j + 2]! * y[l + 2]!;
    s3 += x[j + 3]! * y[l + 3]!;
  }
  return s0 + s1 + s2 + s3;
}

/** Logits of the paper's method with beta 5.5 on the stored rows; with alpha 0, zero-shot. */
function logits(alpha: number): Matrix {
  const [images, text, keys] = [load('val'), load('text'), load('support_16shot')];
  const values = labelsOf('support_16shot');
  const out = matrix(images.rows, text.rows);
  for (let i = 0; i < images.rows; i++) {
    const scores = Float64Array.from({ length: text.rows }, (_, c) => 100 * cosine(images, i, text, c));
    for (let k = 0; alpha > 0 && k < keys.rows; k++) {
      scores[values[k]!]! += alpha * Math.exp(-5.5 * (1 - cosine(images, i, keys, k)));
    }
    row(out, i).set(scores);
  }
  return out;
}

function probabilities(scores: Matrix, temperature: number): Matrix {
  return fromRows(Array.from({ length: scores.rows }, (_, i) => softmax(row(scores, i), temperature)));
}

describe.skipIf(!there)('calibration of real CLIP scores (needs ../shared/data/clip_vitb32)', () => {
  const golden = there ? JSON.parse(readFileSync(reference, 'utf8')).as_stored : {};
  const labels = there ? labelsOf('val') : new Int32Array(0);
  const every = (step: 0 | 1) => [...labels.keys()].filter((i) => i % 2 === step);

  describe.each([
    ['zero_shot', 0],
    ['tip_alpha1_beta5.5', 1],
  ])('%s', (name, alpha) => {
    let all: Matrix;
    beforeAll(() => {
      all = logits(alpha);
    });
    const half = (step: 0 | 1) => ({
      scores: selectRows(all, every(step)),
      truth: every(step).map((i) => labels[i]!),
    });

    function expectMeasures(p: Matrix, truth: ArrayLike<number>, expected: Measures): void {
      const { correct, total } = accuracy(p, truth);
      expect(total).toBe(expected.rows);
      expect(Math.abs(correct - expected.correct)).toBeLessThanOrEqual(1);
      expect(Math.abs(negativeLogLikelihood(p, truth) - expected.nll)).toBeLessThan(1e-5);
      expect(Math.abs(brierScore(p, truth) - expected.brier)).toBeLessThan(1e-5);
      expect(Math.abs(expectedCalibrationError(p, truth) - expected.ece15)).toBeLessThan(1e-3);
    }

    it('accuracy, likelihood, Brier score and calibration error', () => {
      expectMeasures(probabilities(all, 1), labels, golden[name].all_rows);
      const even = half(0);
      expectMeasures(probabilities(even.scores, 1), even.truth, golden[name].even_rows_T1);
    });

    it('reliability bins', () => {
      const expected = golden[name].reliability_bins_all_rows_count_meanconf_acc;
      reliabilityBins(probabilities(all, 1), labels).forEach(({ count, confidence, accuracy: right }, b) => {
        const [rows, meanConfidence, share] = expected[b];
        expect(Math.abs(count - rows)).toBeLessThanOrEqual(1);
        if (rows !== count || rows === 0) return;
        expect(confidence).toBeCloseTo(meanConfidence, 4);
        expect(right).toBeCloseTo(share, 4);
      });
    });

    it('temperature, fitted on even rows and used on odd ones', () => {
      const [even, odd] = [half(0), half(1)];
      const { temperature, nll } = fitTemperature(even.scores, even.truth);
      expect(Math.abs(temperature - golden[name].temperature)).toBeLessThan(1e-5);
      expect(Math.abs(nll - golden[name].nll_even_rows_at_T)).toBeLessThan(1e-5);
      expectMeasures(probabilities(odd.scores, temperature), odd.truth, golden[name].odd_rows_scaled);
    });

    it.each(['conformal_T1', 'conformal_scaled'])('%s', (kind) => {
      const expected: Conformal = golden[name][kind];
      const [even, odd] = [half(0), half(1)];
      const quantile = conformalQuantile(probabilities(even.scores, expected.temperature), even.truth, 0.1);
      expect(Math.abs(quantile - expected.quantile)).toBeLessThan(1e-5);
      const sets = conformalSets(probabilities(odd.scores, expected.temperature), quantile);
      const { covered, meanSize, empty } = evaluateSets(sets, odd.truth);
      expect(Math.abs(covered - expected.covered)).toBeLessThanOrEqual(1);
      expect(Math.abs(empty - expected.empty_sets)).toBeLessThanOrEqual(1);
      expect(Math.abs(meanSize - expected.mean_set_size) * sets.length).toBeLessThanOrEqual(1.01);
    });
  });
});
