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
  const { fineTuned = 0 } = choice;
  if (fineTuned > 0)
    return `Probabilities count as not calibrated, because the encoder was fine-tuned on ${count(fineTuned, 'picture')} that they are fitted to; scores on these are too good.`;
  if (!isCalibrated(choice)) return UNCALIBRATED;
  const temperature = Number(choice.temperature.toPrecision(3));
  return `Probabilities are calibrated by a temperature of ${temperature}, found on ${tuningRowsText(choice)}.`;
}

/** The end of a sentence on an encoder: how many pictures it was fine-tuned on, if it was. */
export function fineTunedText({ fineTunedOn }: { readonly fineTunedOn?: number }): string {
  return fineTunedOn === undefined ? '' : `, fine-tuned on ${count(fineTunedOn, 'picture')}`;
}
