export {
  type Accuracy,
  accuracy,
  type Counts,
  predictedClasses,
  topKAccuracy,
  wilsonInterval,
} from './accuracy.ts';
export { auroc } from './auroc.ts';
export {
  brierScore,
  expectedCalibrationError,
  negativeLogLikelihood,
  type ReliabilityBin,
  reliabilityBins,
} from './calibration.ts';
export { conformalHalves, conformalQuantile, conformalSets, evaluateSets } from './conformal.ts';
export { confusionMatrix } from './confusion.ts';
export { type MeanInterval, meanInterval } from './mean-interval.ts';
export { type McNemar, mcnemar, pairedBootstrap } from './paired.ts';
export { type ClassCounts, macroAccuracy, perClass } from './per-class.ts';
export { fitTemperature } from './temperature.ts';
export { type Confidences, type ThresholdPoint, thresholdPoints } from './thresholds.ts';
