import type { ClassifierData } from '../classifier/types.ts';
import { isCalibrated } from '../tuning/calibrated.ts';
import { count, someClasses, UNCALIBRATED } from '../words.ts';

type Chosen = Pick<ClassifierData, 'tuning' | 'classes'>;

/** The tuning rows in words: `12 left-out examples of 2 of 3 classes in 4 folds`. The temperature is always fitted on them. */
export function tuningRowsText({ tuning, classes }: Chosen): string {
  const { judges, folds, protocol, judgedClasses } = tuning;
  const some = someClasses(judgedClasses, classes.length);
  if (folds > 0) return `${count(judges, 'left-out example')}${some} in ${count(folds, 'fold')}`;
  if (protocol === 'val') return `${count(judges, 'row')}${some} of the validation split`;
  if (protocol === 'paper') return `${count(judges, 'row')}${some} of the test split: optimistic`;
  return `${count(judges, 'left-out row')}${some}`;
}

/** A sentence on the calibration of probabilities: with which temperature, on which rows. */
export function calibrationText(data: Chosen): string {
  const { fineTuned = 0, judgedClasses, temperature } = data.tuning;
  if (fineTuned > 0)
    return `Probabilities count as not calibrated, because the encoder was fine-tuned on ${count(fineTuned, 'picture')} that they are fitted to; scores on these are too good.`;
  if (judgedClasses === 1)
    return `Probabilities are not calibrated, because there are only ${tuningRowsText(data)} to calibrate them on.`;
  if (!isCalibrated(data.tuning)) return UNCALIBRATED;
  return `Probabilities are calibrated by a temperature of ${Number(temperature.toPrecision(3))}, found on ${tuningRowsText(data)}.`;
}

/** Whether probabilities are calibrated on rows of all classes. */
export function isCalibratedOnAll({ tuning, classes }: Chosen): boolean {
  return isCalibrated(tuning) && someClasses(tuning.judgedClasses, classes.length) === '';
}

/** A remark behind a figure of probabilities: ` (not calibrated)`, ` (calibrated on rows of 2 of 3 classes)`, or nothing. */
export function calibrationMark({
  calibrated,
  judgedClasses,
  classes,
}: {
  readonly calibrated: boolean;
  readonly judgedClasses?: number;
  readonly classes: readonly unknown[];
}): string {
  if (!calibrated) return ' (not calibrated)';
  const some = someClasses(judgedClasses, classes.length);
  return some && ` (calibrated on rows${some})`;
}

/** The end of a sentence on an encoder: how many pictures it was fine-tuned on, if it was. */
export function fineTunedText({ fineTunedOn }: { readonly fineTunedOn?: number }): string {
  return fineTunedOn === undefined ? '' : `, fine-tuned on ${count(fineTunedOn, 'picture')}`;
}
