import { isCalibrated } from '../tuning/calibrated.ts';
import type { ClassifierData, Prediction } from './types.ts';

/** The answer for a picture with the probabilities [c]. Below the probability `reject`, it is "none of these". */
export function predictionOf(
  data: ClassifierData,
  image: string,
  probabilities: Float32Array,
  reject = data.reject,
): Prediction {
  const ranking = data.classes
    .map(({ id, name }, i) => ({ id, name, probability: probabilities[i]! }))
    .sort((a, b) => b.probability - a.probability);
  const { id, name, probability } = ranking[0]!;
  const calibrated = isCalibrated(data.tuning);
  return { image, id, name, probability, calibrated, rejected: probability < reject, ranking };
}
