/**
 * Methods: each defines what it learns from a task, and its scores as one expression. A method of your own is an object made by
 * `defineMethod`. `fit` accepts it as its option `method`. After `registerMethod`, saved classifiers and benchmarks find it by its id.
 */
export type { Pieces } from '../abort.ts';
export type { Former } from '../deprecation.ts';
export type { Products } from '../linalg/matrix-products.ts';
export type { RowAdder } from '../linalg/row-adder.ts';
export {
  choice,
  flag,
  integer,
  type Option,
  type OptionFacts,
  type Options,
  optional,
  positive,
  real,
  text,
  texts,
  type ValuesOf,
} from '../options.ts';
export {
  affinities,
  type CacheState,
  type CacheTensors,
  cacheTensors,
  classSums,
  type FedCache,
} from './cache.ts';
export { baselineMethods, listMethods, methodById } from './list.ts';
export { mergeSummaries } from './merge-summaries.ts';
export {
  type AutoRole,
  COUNT,
  defineMethod,
  type Held,
  type Ignored,
  type Method,
  type Need,
  type NeededParts,
  type Passes,
  SCALE,
  SHARE,
  type State,
  type SumForm,
  type SummaryBasis,
  type SummaryForm,
  type SumPass,
  type SymbolicHead,
  type SymbolicState,
  type SymbolicTask,
  type SymbolicTaskWith,
  scoresOf,
  type TaskWith,
  WEIGHT,
} from './method.ts';
export { checkNeeds } from './needs.ts';
export type { Projection } from './projection.ts';
export { prototype } from './prototype.ts';
export { registerMethod } from './registry.ts';
export type { Samples } from './samples.ts';
export { createScorer, type Scorer, scoreRows } from './score.ts';
export type { StackPart } from './stack.ts';
export { fitSummary, summarise } from './summarise.ts';
export type { Sum, Summary, SummaryOrigin, Sums } from './summary.ts';
export { decodeSummary, encodeSummary } from './summary-file.ts';
export {
  type Checkpoint,
  type FitProgress,
  type IdentityPart,
  type Interruption,
  type KeptTraining,
  keysOf,
  plainSupport,
  type Support,
  type Task,
  type TextHead,
} from './task.ts';
export { headFromPrompts } from './text-head.ts';
export type { TextTower } from './text-tower.ts';
export { tipAdapter } from './tip-adapter.ts';
export { tipAdapterF } from './tip-adapter-f.ts';
export { visualOnly } from './visual-only.ts';
export { zeroShot } from './zero-shot.ts';
