import { DataError, UsageError } from '../errors.ts';
import { random } from '../math/random.ts';
import { count } from '../words.ts';
import { checkSource } from './check-source.ts';
import { unit } from './few-shot.ts';
import { info, warning } from './findings.ts';
import { groupBy } from './groups.ts';
import { naturalOrder, sortNaturally } from './names.ts';
import type { Dataset, Example, Split } from './types.ts';

/** Whether a picture is held out for tuning or testing. If all pictures are held out, none counts as held out. */
export function heldOut(
  pictures: readonly { readonly split?: Split }[],
): (picture: { readonly split?: Split }) => boolean {
  const isHeldOut = ({ split }: { readonly split?: Split }) => split === 'val' || split === 'test';
  return pictures.every(isHeldOut) ? () => false : isHeldOut;
}

/**
 * The data set with only the examples to learn from: those of the train split, or if it is empty those of no split, and those with neither
 * split nor label. A finding reports the held-out ones. Throws `DataError` if nothing is left, because held-out examples are never learnt from.
 */
export function learnable(dataset: Dataset): Dataset {
  const { examples, findings, root } = dataset;
  const train = examples.some(({ split }) => split === 'train') ? 'train' : undefined;
  const kept = examples.filter(({ split, label }) => split === train || (split === undefined && label < 0));
  const held = examples.length - kept.length;
  if (held === 0) return dataset;
  const splits = [...new Set(examples.map(({ split }) => split))].filter((split) => split && split !== train);
  if (!kept.some(({ label }) => label >= 0)) {
    throw new DataError(
      `${root} has nothing to learn from, because all pictures are in ${splits.join(' and ')}`,
      {
        code: 'dataset/no-train',
        hint: 'Put the pictures to learn from into train/, or give the folder of the split itself.',
        details: { root, splits },
      },
    );
  }
  const pictures = count(held, 'picture is', 'pictures are');
  const message = `${pictures} held out (${splits.join(', ') || 'no split'}) and not learned from.`;
  return { ...dataset, examples: kept, findings: [...findings, info('held-out', message)] };
}

/** The test fraction `auto`. */
export const AUTO_TEST_FRACTION = 0.3;

/** Options of `splitDataset`. */
export interface SplitOptions {
  /** Share of each class's groups that goes into the test split, between 0 and 1. `auto` is 0.3. */
  testFraction: number | 'auto';
  seed: number | string;
}

/**
 * Returns the data set with every labelled example in `train` or `test`. Each class is split by itself, and no group is in both splits
 * (a group belongs to the class of its first picture by name). A class with two or more groups has at least one in each split; a class
 * with one group is in `train` only. A data set that has a test split is returned unchanged. Examples in `val`, and their groups, stay
 * there. Throws `UsageError` for a test fraction out of range, and `DataError` if no class can be split.
 */
export function splitDataset(dataset: Dataset, { testFraction, seed }: SplitOptions): Dataset {
  const fraction = testFraction === 'auto' ? AUTO_TEST_FRACTION : testFraction;
  if (!(fraction > 0 && fraction < 1)) {
    throw new UsageError(`The test fraction must be between 0 and 1, not ${testFraction}`, {
      code: 'dataset/test-fraction',
      details: { testFraction },
    });
  }
  checkSource(dataset);
  if (dataset.examples.some(({ split }) => split === 'test')) return dataset;
  const splitOf = new Map<Example, Split>();
  const free: Example[][] = [];
  for (const unit of unitsOf(dataset)) {
    if (unit.some(({ split }) => split === 'val')) for (const example of unit) splitOf.set(example, 'val');
    else free.push(unit);
  }
  for (const [label, units] of groupBy(free, (unit) => unit[0]!.label)) {
    const { id } = dataset.classes[label]!;
    const placed = units.map((unit) => ({ unit, at: random('split', seed, id, name(unit[0]!)).uniform() }));
    placed.sort((a, b) => a.at - b.at || naturalOrder(a.unit[0]!.id, b.unit[0]!.id));
    const n = Math.min(Math.max(1, Math.round(fraction * placed.length)), placed.length - 1);
    placed.forEach(({ unit }, i) => {
      for (const example of unit) splitOf.set(example, i < n ? 'test' : 'train');
    });
  }
  if (![...splitOf.values()].includes('test')) {
    throw new DataError(`${dataset.root} cannot be split: no class has two pictures that are not alike`, {
      code: 'dataset/too-few-to-split',
      hint: 'Add pictures, or put the test pictures into a folder of their own.',
      details: { root: dataset.root, examples: dataset.examples.length },
    });
  }
  const examples = dataset.examples.map((example) => {
    const split = splitOf.get(example);
    return split ? { ...example, split } : example;
  });
  return { ...dataset, examples };
}

/** The units of labelled examples (groups and single pictures), in natural order. */
function unitsOf({ examples }: Dataset): Example[][] {
  const labelled = examples.filter(({ label }) => label >= 0);
  const sorted = sortNaturally(labelled, ({ id }) => id);
  return [...groupBy(sorted, unit).values()];
}

/** The same on every machine, whatever form its file system gives accents. */
function name({ id }: Example): string {
  return id.normalize('NFC');
}

const RANK: Record<Split, number> = { train: 0, val: 1, test: 2 };

/**
 * Returns the data set without the examples that leak into a later split: those whose group also has pictures in a later split (the
 * order is train, val, test). The test split is not changed. The findings name the examples that were left out.
 */
export function withoutLeaks(dataset: Dataset): Dataset {
  const highest = new Map<string, number>();
  for (const { group, split } of dataset.examples) {
    if (group !== undefined && split) highest.set(group, Math.max(highest.get(group) ?? 0, RANK[split]));
  }
  const leaks = ({ group, split }: Example) =>
    group !== undefined && split !== undefined && RANK[split] < (highest.get(group) ?? 0);
  const paths = dataset.examples.filter(leaks).map(({ id }) => id);
  if (paths.length === 0) return dataset;
  const pictures = count(paths.length, 'picture of train or val is', 'pictures of train or val are');
  const message = `${pictures} left out, because the same or nearly the same picture is in a later split.`;
  return {
    ...dataset,
    examples: dataset.examples.filter((example) => !leaks(example)),
    findings: [...dataset.findings, warning('split-leak', message, paths)],
  };
}
