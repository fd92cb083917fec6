export { type ClassMatching, matchClasses } from './classes.ts';
export type { Labelled, LabelledFile, Layout, LayoutResult } from './dataset-layout.ts';
export {
  type DuplicatePair,
  type Duplicates,
  exactDuplicates,
  groupDuplicates,
  NEAR_DUPLICATE,
  type NearDuplicateOptions,
  nearDuplicates,
} from './duplicates.ts';
export { type FewShotOptions, type Labels, sampleFewShot } from './few-shot.ts';
export { registerLayout } from './layouts.ts';
export { type ReadOptions, readDataset } from './read.ts';
export type { ReadValues } from './read-options.ts';
export { type Artist, type SampleOptions, sampleDataset } from './sample-dataset.ts';
export { type SplitOptions, splitDataset, withoutLeaks } from './split.ts';
export type { Folder, SourceFile, Tree } from './tree.ts';
export type { ClassInfo, Dataset, Example, Finding, Split, Unreadable } from './types.ts';
