import { matchClasses } from '../dataset/classes.ts';
import { readDataset } from '../dataset/read.ts';
import type { Dataset, Example, Finding, Split } from '../dataset/types.ts';
import { DataError } from '../errors.ts';
import { argmax, type Matrix, row, selectRows } from '../math/matrix.ts';
import { accuracy } from '../metrics/accuracy.ts';
import { expectedCalibrationError } from '../metrics/calibration.ts';
import { confusionMatrix } from '../metrics/confusion.ts';
import { negativeLogLikelihood } from '../metrics/likelihood.ts';
import type { Classifier } from './classifier.ts';
import type { Runtime } from './runtime.ts';
import type { Evaluation, Suspect, WorkOptions } from './types.ts';

export interface EvaluateOptions extends WorkOptions {
  /** Which split; default: `test` where there is one, else everything labelled. */
  split?: Split;
}
