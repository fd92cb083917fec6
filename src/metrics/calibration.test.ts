import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromRows, type Matrix, matrix, row, softmax } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import {
  brierScore,
  expectedCalibrationError,
  negativeLogLikelihood,
  reliabilityBins,
} from './calibration.ts';
import { fitTemperature } from './temperature.ts';

const probabilities = fromRows([
  [0.75, 0.25],
  [0.5, 0.5],
]);

/** Rows of normal logits and, for each, a class drawn from softmax(logits / truth). */
function drawn(rows: number, truth: number, seed: number): { logits: Matrix; labels: Int32Array } {
  const r = random('drawn', seed);
  const logits = matrix(rows, 4);
  logits.data.forEach((_, i) => {
    logits.data[i] = 3 * r.normal();
  });
  const labels = Int32Array.from({ length: rows }, (_, i) => {
    const p = softmax(row(logits, i), truth);
    const u = r.uniform();
    const c = p.findIndex((_, k) => p.subarray(0, k + 1).reduce((x, y) => x + y, 0) > u);
    return c < 0 ? 3 : c;
  });
  return { logits, labels };
}

function nll({ logits, labels }: { logits: Matrix; labels: Int32Array }, temperature: number): number {
  return (
    labels.reduce((sum, label, i) => sum - Math.log(softmax(row(logits, i), temperature)[label]!), 0) /
    labels.length
  );
}

describe('likelihood and Brier score', () => {
  it('agree with hand-worked values', () => {
    expect(negativeLogLikelihood(probabilities, [0, 1])).toBeCloseTo((Math.log(4 / 3) + Math.log(2)) / 2, 7);
    expect(brierScore(probabilities, [0, 1])).toBeCloseTo((2 * 0.25 ** 2 + 2 * 0.5 ** 2) / 2, 7);
  });

  it('stay finite for a true class of probability 0', () => {
    expect(negativeLogLikelihood(fromRows([[1, 0]]), [1])).toBeCloseTo(-Math.log(1e-12), 6);
    expect(brierScore(fromRows([[1, 0]]), [1])).toBe(2);
  });

  it('refuse labels that do not fit', () => {
    for (const measure of [negativeLogLikelihood, brierScore, expectedCalibrationError]) {
      expect(() => measure(probabilities, [0, 2])).toThrow(
        expect.objectContaining({ code: 'metrics/labels' }),
      );
    }
  });
});

describe('reliability', () => {
  it('puts a confidence on an edge into the lower bin', () => {
    const bins = reliabilityBins(probabilities, [0, 1], 4);
    expect(bins.map(({ count }) => count)).toEqual([0, 1, 1, 0]);
    expect(bins[1]).toEqual({ low: 0.25, high: 0.5, count: 1, confidence: 0.5, accuracy: 0 });
  });

  it('weighs the gaps by their rows', () => {
    expect(expectedCalibrationError(probabilities, [0, 1])).toBeCloseTo((0.25 + 0.5) / 2, 7);
    expect(expectedCalibrationError(fromRows([[0, 1]]), [1])).toBe(0);
  });

  it('counts every row once and stays inside 0..1', () => {
    const rows = fc.array(fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 3, maxLength: 3 }), {
      minLength: 1,
    });
    fc.assert(
      fc.property(rows, fc.integer({ min: 1, max: 20 }), (values, bins) => {
        const p = fromRows(values.map((logits) => softmax(logits)));
        const labels = values.map(([first]) => first! % 3);
        expect(reliabilityBins(p, labels, bins).reduce((sum, { count }) => sum + count, 0)).toBe(
          values.length,
        );
        const error = expectedCalibrationError(p, labels, bins);
        expect(error).toBeGreaterThanOrEqual(0);
        expect(error).toBeLessThanOrEqual(1);
      }),
    );
  });
});

describe('temperature', () => {
  it('is the closed form for two classes and three correct rows of four', () => {
    const logits = fromRows([
      [2, 0],
      [2, 0],
      [2, 0],
      [2, 0],
    ]);
    const { temperature, nll: reached } = fitTemperature(logits, [0, 0, 0, 1]);
    expect(temperature).toBeCloseTo(2 / Math.log(3), 8);
    expect(reached).toBeCloseTo(-(0.75 * Math.log(0.75) + 0.25 * Math.log(0.25)), 10);
  });

  it.each([0.002, 0.3, 1, 7, 400])('has no better neighbour for logits of scale %d', (scale) => {
    const { logits, labels } = drawn(400, 2, 1);
    logits.data.forEach((value, i) => {
      logits.data[i] = scale * value;
    });
    const { temperature, nll: reached } = fitTemperature(logits, labels);
    expect(reached).toBeCloseTo(nll({ logits, labels }, temperature), 10);
    for (const factor of [0.99, 0.9999, 1.0001, 1.01]) {
      expect(nll({ logits, labels }, factor * temperature)).toBeGreaterThan(reached);
    }
    expect(temperature / scale).toBeCloseTo(fitTemperature(drawn(400, 2, 1).logits, labels).temperature, 3);
  });

  it('is recovered from labels that were drawn with it', () => {
    expect(
      fitTemperature(drawn(20_000, 2.5, 3).logits, drawn(20_000, 2.5, 3).labels).temperature,
    ).toBeCloseTo(2.5, 0);
  });

  it('is finite if every row is correct, and if none is', () => {
    const logits = fromRows([
      [5, 0],
      [0, 5],
    ]);
    const cold = fitTemperature(logits, [0, 1]);
    expect(cold.temperature).toBeGreaterThan(0);
    expect(cold.nll).toBeLessThan(1e-6);
    const hot = fitTemperature(logits, [1, 0]);
    expect(Number.isFinite(hot.temperature)).toBe(true);
    expect(hot.nll).toBeCloseTo(Math.LN2, 4);
  });
});
