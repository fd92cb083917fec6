import { count, number } from '../words.ts';
import type { Dataset, Split } from './types.ts';

/** A class with its number of pictures, in all and in each split. */
export interface ClassCount extends Readonly<Record<Split, number>> {
  readonly id: string;
  readonly name: string;
  readonly pictures: number;
}

/** How many pictures a data set has, by class and split. */
export interface Overview extends Readonly<Record<Split, number>> {
  /** In the order of the data set. */
  readonly classes: readonly ClassCount[];
  readonly pictures: number;
  readonly unlabelled: number;
  /** Number of groups with at least two pictures. */
  readonly groups: number;
}

/** Counts the pictures of a data set. */
export function overviewOf({ classes, examples }: Pick<Dataset, 'classes' | 'examples'>): Overview {
  const none = { pictures: 0, train: 0, val: 0, test: 0 };
  const own = classes.map(({ id, name }) => ({ id, name, ...none }));
  const all = { ...none, unlabelled: 0 };
  const sizes = new Map<string, number>();
  for (const { label, split, group } of examples) {
    if (group !== undefined) sizes.set(group, (sizes.get(group) ?? 0) + 1);
    const counted = label < 0 ? [all] : [all, own[label]!];
    for (const counts of counted) {
      counts.pictures++;
      if (split) counts[split]++;
    }
    if (label < 0) all.unlabelled++;
  }
  const groups = [...sizes.values()].filter((size) => size > 1).length;
  return { classes: own, ...all, groups };
}

/** `3 classes, 120 pictures (40 train, 80 test)`. */
export function countsText(overview: Overview): string {
  const bySplit = (['train', 'val', 'test'] as const).flatMap((split) =>
    overview[split] > 0 ? [`${number(overview[split])} ${split}`] : [],
  );
  const splits = bySplit.length > 0 ? ` (${bySplit.join(', ')})` : '';
  return `${count(overview.classes.length, 'class', 'classes')}, ${count(overview.pictures, 'picture')}${splits}`;
}

/** The smallest and the largest class that have pictures, in a sentence. Undefined if there are not two such classes. */
export function sizesText({ classes }: Overview): string | undefined {
  const there = classes.filter(({ pictures }) => pictures > 0);
  if (there.length < 2) return undefined;
  const [smallest, largest] = [
    there.reduce((x, y) => (y.pictures < x.pictures ? y : x)),
    there.reduce((x, y) => (y.pictures > x.pictures ? y : x)),
  ];
  if (smallest.pictures === largest.pictures) return `Each class has ${count(smallest.pictures, 'picture')}.`;
  return `The smallest class has ${count(smallest.pictures, 'picture')} ("${smallest.name}"), the largest ${number(largest.pictures)} ("${largest.name}").`;
}
