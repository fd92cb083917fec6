export { type Folds, leaveOneShotOut } from '../methods/folds.ts';
export {
  type Affinities,
  type AlphaIntervals,
  alphaIntervals,
  type BetaRange,
  bestAlpha,
  countAt,
} from './alpha-intervals.ts';
export { type AutoChoice, chooseAutomatically } from './auto.ts';
export {
  type ClassSumsAt,
  prepareClassSums,
  type TuningRows,
  textLogits,
  tuningRowsOfFolds,
  tuningRowsOfSplit,
} from './cache-search.ts';
export { outOfFold } from './out-of-fold.ts';
export {
  type KnownRows,
  type PaperGrid,
  type PaperStart,
  paperGrid,
  paperSearch,
  paperStart,
  type SearchSurface,
  searchSurface,
  searchTrainedKeys,
  tuneAsPublished,
} from './paper.ts';
export { fitWeights, type Limits, type Weights } from './scale.ts';
export {
  type Choice,
  type Compared,
  type Enough,
  type Found,
  searchMethod,
  type TuningSet,
  tuningSetOfFolds,
  tuningSetOfSplit,
} from './search-method.ts';
export { type Stacked, stackMethods } from './stacking.ts';
export {
  type CacheChoice,
  type Protocol,
  type SearchRange,
  type SurfacePoint,
  tuneByFolds,
  tuneByValidation,
} from './tune.ts';
