/// <reference lib="dom" preserve="true" />

export type { RefitValues } from '../classifier/refit.ts';
export type { Removal } from '../classifier/remove.ts';
export type {
  Contribution,
  EncoderReference,
  ExplainedClass,
  Explanation,
  Failure,
  Prediction,
  Predictions,
  Progress,
  Ranked,
} from '../classifier/types.ts';
export type { ClassInfo } from '../dataset/types.ts';
export {
  DataError,
  type ErrorOptions,
  InterruptedError,
  ModelError,
  TipAdapterError,
  UsageError,
} from '../errors.ts';
export type { Preprocessing } from '../image/types.ts';
export { type Camera, openCamera } from './camera.ts';
export type { WebClassifier, WebExample, WebPredictOptions, WebWork } from './classifier.ts';
export type { ClassifierInfo } from './info.ts';
export { type OpenOptions, open } from './open.ts';
export type { DownloadProgress, WebDevice } from './protocol.ts';
export type { WebImage } from './source.ts';
