import { type Choice, isCalibrated } from '../tuning/search-method.ts';
import { count, UNCALIBRATED } from '../words.ts';

/** Who judged what was chosen, the temperature at least: `12 left-out examples in 4 folds`. */
function judgesText({ judges, folds, protocol }: Choice): string {
  if (folds > 0) return `${count(judges, 'left-out example')} in ${count(folds, 'fold')}`;
  return `${count(judges, 'row')} of the ${protocol === 'paper' ? 'test split: optimistic' : 'validation split'}`;
}

/** Whether probabilities can be believed, and why. */
export function calibrationText(choice: Choice): string {
  if (!isCalibrated(choice)) return UNCALIBRATED;
  const temperature = Number(choice.temperature.toPrecision(3));
  return `Probabilities are calibrated by a temperature of ${temperature}, found on ${judgesText(choice)}.`;
}
