import { logSumExp, type Matrix, matrix, row, selectRows, softmax } from '../math/matrix.ts';
import { brierScore, expectedCalibrationError } from '../metrics/calibration.ts';
import { conformalQuantile, conformalSets, judgeSets } from '../metrics/conformal.ts';

/** How far stated probabilities can be believed. */
export interface Measures {
  /** Mean negative log-likelihood, in nats. */
  readonly nll: number;
  /** Expected calibration error, 15 bins. */
  readonly ece: number;
  /** Brier score, 0..2. */
  readonly brier: number;
  /** Split-conformal sets that may miss a tenth: made from the even rows, judged on the odd ones. */
  readonly coverage: number;
  readonly setSize: number;
}

/** Share of sets that may miss the true class. */
const MISS = 0.1;

/** Measures of scores [n, c] at a temperature. With fewer than two rows there are no sets: their measures are NaN. */
export function measureScores(scores: Matrix, labels: Int32Array, temperature: number): Measures {
  const probabilities = matrix(scores.rows, scores.cols);
  let surprise = 0;
  for (let i = 0; i < scores.rows; i++) {
    const scaled = Float64Array.from(row(scores, i), (x) => x / temperature);
    surprise += logSumExp(scaled) - scaled[labels[i]];
    row(probabilities, i).set(softmax(scaled));
  }
  return {
    nll: surprise / scores.rows,
    ece: expectedCalibrationError(probabilities, labels),
    brier: brierScore(probabilities, labels),
    ...conformal(probabilities, labels),
  };
}

function conformal(probabilities: Matrix, labels: Int32Array): Pick<Measures, 'coverage' | 'setSize'> {
  const rows = [...labels.keys()];
  const half = (odd: number) => {
    const own = rows.filter((i) => i % 2 === odd);
    return { p: selectRows(probabilities, own), y: Int32Array.from(own, (i) => labels[i]) };
  };
  const [calibration, judged] = [half(0), half(1)];
  const quantile = conformalQuantile(calibration.p, calibration.y, MISS);
  const { coverage, meanSize } = judgeSets(conformalSets(judged.p, quantile), judged.y);
  return { coverage, setSize: meanSize };
}
