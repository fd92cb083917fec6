export type { TestTimeId, TransductiveId } from '../adaptation/index.ts';
export type { PredictionStream, StreamOptions, TogetherOptions, TogetherPredictions } from './adapted.ts';
export type { NewExample } from './add-source.ts';
export {
  type Classifier,
  type ExplainOptions,
  type LoadOptions,
  load,
} from './classifier.ts';
export type { ThumbnailOptions } from './encoder-session.ts';
export { isFailure } from './failure.ts';
export type { FileOptions } from './file.ts';
export { type FineTuned, type FineTuneOptions, type FineTunePlan, fineTune } from './fine-tune.ts';
export { type FineTuneOptionValues, fineTuneOptions } from './fine-tune-options.ts';
export { type FitOptions, fit } from './fit.ts';
export { type FitValues, fitOptions } from './fit-options.ts';
export type { RefitValues } from './refit.ts';
export type { Removal } from './remove.ts';
export type { RowSums } from './row-sum.ts';
export type { SummaryTask, SummedRows, SumRows } from './row-sums.ts';
export type { EvaluateOptions, TestSet } from './test-set.ts';
export type * from './types.ts';
