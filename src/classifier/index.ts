export type { NewExample } from './add.ts';
export { Classifier, isFailure, type LoadOptions, load, type PredictOptions } from './classifier.ts';
export type { EvaluateOptions, TestSet } from './evaluate.ts';
export { type FitOptions, fit } from './fit.ts';
export { fitOptions } from './options.ts';
export type { RefitValues } from './refit.ts';
export type { Removal } from './remove.ts';
export type * from './types.ts';
