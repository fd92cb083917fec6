import { logSumExp, type Matrix, row, softmaxRows } from '../math/matrix.ts';
import { brierScore, expectedCalibrationError } from '../metrics/calibration.ts';
import { conformalHalves } from '../metrics/conformal.ts';

/** Measures of the calibration of probabilities. */
export interface Measures {
  /** Mean negative log-likelihood, in nats. */
  readonly nll: number;
  /** Expected calibration error, 15 bins. */
  readonly ece: number;
  /** Brier score, 0..2. */
  readonly brier: number;
  /** Split-conformal sets of 90% coverage, calibrated on the even rows and tested on the odd ones. */
  readonly coverage: number;
  readonly setSize: number;
}

/** Measures of scores [n, c] at a temperature. With fewer than two rows the measures of sets are NaN. */
export function measureScores(scores: Matrix, labels: Int32Array, temperature: number): Measures {
  const probabilities = softmaxRows(scores, temperature);
  let surprise = 0;
  for (let i = 0; i < scores.rows; i++) {
    const scaled = Float64Array.from(row(scores, i), (x) => x / temperature);
    surprise += logSumExp(scaled) - scaled[labels[i]!]!;
  }
  return {
    nll: surprise / scores.rows,
    ece: expectedCalibrationError(probabilities, labels),
    brier: brierScore(probabilities, labels),
    ...conformalHalves(probabilities, labels),
  };
}
