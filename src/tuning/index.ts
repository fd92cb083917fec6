export { foldJudges, type Judges, judgeClassSums, judgeZeroShot, splitJudges } from './cache-search.ts';
export { type Folds, leaveOneShotOut } from './folds.ts';
export { type PaperGrid, paperGrid, paperSearch, tuneAsPublished } from './paper.ts';
export { fitWeights, type Weights } from './scale.ts';
export {
  type CacheChoice,
  type Protocol,
  type SearchRange,
  type SurfacePoint,
  tuneByFolds,
  tuneByValidation,
} from './tune.ts';
