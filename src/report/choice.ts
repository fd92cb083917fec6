import { isCalibrated } from '../tuning/calibrated.ts';
import type { Choice } from '../tuning/search-method.ts';
import { count, UNCALIBRATED } from '../words.ts';

/** The tuning rows in words: `12 left-out examples in 4 folds`. The temperature is always fitted on them. */
function tuningRowsText({ judges, folds, protocol }: Choice): string {
  if (folds > 0) return `${count(judges, 'left-out example')} in ${count(folds, 'fold')}`;
  if (protocol === 'val') return `${count(judges, 'row')} of the validation split`;
  if (protocol === 'paper') return `${count(judges, 'row')} of the test split: optimistic`;
  return count(judges, 'left-out row');
}

/** A sentence on the calibration of probabilities: with which temperature, on which rows. */
export function calibrationText(choice: Choice): string {
  if (!isCalibrated(choice)) return UNCALIBRATED;
  const temperature = Number(choice.temperature.toPrecision(3));
  return `Probabilities are calibrated by a temperature of ${temperature}, found on ${tuningRowsText(choice)}.`;
}
