import { UsageError } from '../errors.ts';
import { random } from '../math/random.ts';
import { count } from '../words.ts';
import { checkSource } from './check-source.ts';
import { quoted, warning } from './findings.ts';
import { groupBy } from './groups.ts';
import { naturalOrder } from './names.ts';
import type { ClassInfo, Dataset, Example, Finding, Split } from './types.ts';

/** Labels of rows, for callers without a data set: indices of classes, -1 for none. A row is identified by its index. */
export interface Labels {
  labels: ArrayLike<number>;
  groups?: readonly (string | undefined)[];
}

/** Options of `sampleFewShot`. */
export interface FewShotOptions {
  /** Number of pictures for each class, 0 or more. `Infinity` takes all. */
  shots: number;
  seed: number | string;
  /** Draw from this split only. */
  split?: Split;
}

interface Row {
  index: number;
  label: number;
  /** Identifies the picture in the draw, together with `classId`: the same on every machine, whatever other data there are. */
  id: string;
  classId: string;
  group?: string;
}

/**
 * Returns the indices of the examples drawn for each class. Classes are in order. The examples of a class are in the order of the draw,
 * so that its first k are its k-shot draw. The draw of a class depends only on the seed and its own pictures, and a new picture
 * does not change the order of the others. A group gives its second picture only after every group of the class has given one. A
 * class with fewer pictures than `shots` gives all of them. Throws `UsageError` if `shots` is not a whole number of at least 0.
 */
export function sampleFewShot(source: Dataset | Labels, { shots, seed, split }: FewShotOptions): number[] {
  if (shots !== Number.POSITIVE_INFINITY && !(Number.isInteger(shots) && shots >= 0)) {
    throw new UsageError(`The number of shots must be a whole number, not ${shots}`, {
      code: 'dataset/shots',
      details: { shots },
    });
  }
  const { labels, rowOf, isIn } = readerOf(source, split);
  const byClass = new Map<number, number[]>();
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i]!;
    if (label < 0 || !isIn(i)) continue;
    const members = byClass.get(label);
    if (members) members.push(i);
    else byClass.set(label, [i]);
  }
  const ordered = [...byClass.keys()].sort((a, b) => a - b);
  // One class after the other, so that the rows of one class are in memory at a time.
  return ordered.flatMap((label) => drawOrder(byClass.get(label)!.map(rowOf), seed).slice(0, shots));
}

/** A whole class in the order of the draw: the first picture of each group, then the second of each, and so on. */
function drawOrder(rows: Row[], seed: number | string): number[] {
  const placed = rows.map((row) => ({ ...row, at: random('few-shot', seed, row.classId, row.id).uniform() }));
  const turns = [...groupBy(placed, unit).values()].flatMap((members) => {
    // A group has the place of its first picture by name, so that large groups are not drawn sooner than small ones.
    const groupAt = members.reduce((first, row) => (naturalOrder(row.id, first.id) < 0 ? row : first)).at;
    members.sort((a, b) => a.at - b.at || a.index - b.index);
    return members.map(({ index }, round) => ({ index, round, groupAt }));
  });
  turns.sort((a, b) => a.round - b.round || a.groupAt - b.groupAt || a.index - b.index);
  return turns.map(({ index }) => index);
}

/** Key of what is drawn or split as one: a group, or a picture without a group. */
export function unit({ group, id }: Pick<Row, 'group' | 'id'>): string {
  return group === undefined ? `picture ${id}` : `group ${group}`;
}

/** The labels of a source, the row of an index, and whether an index is in the split. */
function readerOf(
  source: Dataset | Labels,
  split?: Split,
): { labels: ArrayLike<number>; rowOf(index: number): Row; isIn(index: number): boolean } {
  if (!('examples' in source)) {
    const { labels, groups } = source;
    const rowOf = (index: number): Row => {
      const label = labels[index]!;
      return { index, label, id: String(index), classId: String(label), group: groups?.[index] };
    };
    return { labels, rowOf, isIn: () => true };
  }
  checkSource(source);
  const { examples, classes } = source;
  return {
    labels: Int32Array.from(examples, ({ label }) => label),
    rowOf: (index) => {
      const { id, label, group } = examples[index]!;
      return { index, label, id: id.normalize('NFC'), classId: classes[label]?.id ?? '', group };
    },
    isIn: (index) => split === undefined || examples[index]!.split === split,
  };
}

/** Warns of classes with fewer pictures than `shots`. */
export function shortClasses(
  classes: readonly ClassInfo[],
  drawn: readonly Pick<Example, 'label'>[],
  shots: number,
): Finding[] {
  if (shots === Number.POSITIVE_INFINITY) return [];
  const given = classes.map(() => 0);
  for (const { label } of drawn) given[label]!++;
  const short = classes.flatMap(({ id }, i) => (given[i]! < shots ? [`${id} (${given[i]})`] : []));
  if (short.length === 0) return [];
  const n = count(short.length, 'class has', 'classes have');
  return [warning('few-pictures', `${n} fewer than ${count(shots, 'picture')}: ${quoted(short)}`)];
}
