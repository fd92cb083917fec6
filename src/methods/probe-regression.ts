import { matrix, row, scaled } from '../math/matrix.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import { positive } from '../options.ts';
import { regressions } from './anchored-regression.ts';
import { keysOf, type Task } from './task.ts';

/** The state of a linear probe: weights [c, d] and biases [c]. */
export type Probe = { readonly weight: Tensor; readonly bias: Tensor };

export const probeOptions = {
  c: positive({ default: 0.316, help: 'Weight of the examples relative to the penalty.' }),
};

/** Multiplier of the unit features, and of the bias's column of ones, during the optimisation. All parameters then have a similar size. */
export const SCALE = 100;

/** The weight of the squared parameters beside the mean cross-entropy of n rows. */
export function penaltyOf({ c }: { readonly c: number }, n: number): number {
  return (0.5 * SCALE ** 2) / (c * n);
}

/** The probes of each subset of the examples in memory, for one candidate after the other. */
export async function* probesOf(
  task: Task,
  subsets: readonly (readonly number[])[],
  candidates: readonly { readonly c: number }[],
  tolerance: number,
): AsyncGenerator<Probe[]> {
  const { support, classes } = task;
  const solutions = regressions(task, {
    rows: scaled(keysOf(support), SCALE),
    subsets,
    penalties: candidates.map((options) => penaltyOf(options, subsets[0]!.length)),
    bias: SCALE,
    tolerance,
  });
  for await (const folds of solutions)
    yield folds.map((parameters) => probeOf(parameters.data as Float32Array, classes));
}

/** Weights and biases for features that are not scaled, from the parameters [c, d + 1] of the optimisation. */
export function probeOf(parameters: Float32Array, classes: number): Probe {
  const whole = matrix(classes, parameters.length / classes, parameters);
  const d = whole.cols - 1;
  const weight = matrix(classes, d);
  const bias = new Float32Array(classes);
  for (let c = 0; c < classes; c++) {
    row(weight, c).set(
      row(whole, c)
        .subarray(0, d)
        .map((x) => x * SCALE),
    );
    bias[c] = row(whole, c)[d]! * SCALE;
  }
  return { weight: floatTensor([classes, d], weight.data), bias: floatTensor([classes], bias) };
}

/** The parameters of the optimisation, [c, d + 1]. */
export function parametersOf({ weight, bias }: Probe): Float32Array {
  const [classes, d] = weight.shape as [number, number];
  const parameters = new Float32Array(classes * (d + 1));
  for (let c = 0; c < classes; c++) {
    for (let j = 0; j < d; j++) parameters[c * (d + 1) + j] = (weight.data[c * d + j] as number) / SCALE;
    parameters[c * (d + 1) + d] = (bias.data[c] as number) / SCALE;
  }
  return parameters;
}
