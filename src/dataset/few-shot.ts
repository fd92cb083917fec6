import { UsageError } from '../errors.ts';
import { random } from '../math/random.ts';
import { count } from '../words.ts';
import { checkSource } from './check-source.ts';
import { quoted, warning } from './findings.ts';
import { groupBy } from './groups.ts';
import { naturalOrder } from './names.ts';
import type { ClassInfo, Dataset, Example, Finding, Split } from './types.ts';

/** Bare labels, for callers without a data set; -1 is unlabelled. A row's identity is its index. */
export interface Labels {
  labels: ArrayLike<number>;
  groups?: readonly (string | undefined)[];
}

/** How examples are drawn. */
export interface FewShotOptions {
  /** Pictures a class; `Infinity` takes all. */
  shots: number;
  seed: number | string;
  /** Draw from this split only. */
  split?: Split;
}

interface Row {
  index: number;
  label: number;
  /** What the draw knows the picture and its class by, on any machine and whatever else is in the data. */
  id: string;
  classId: string;
  group?: string;
}

/**
 * Indices of the examples drawn for each class: classes in order, and within a class in order of the draw, so that the first k
 * of a class are its k-shot draw. A class's draw depends on the seed and on its own pictures alone, and a new picture moves no
 * other one. A group gives one picture; only when all groups of the class have given one does a group give another. A class
 * with fewer pictures than `shots` gives all it has (see `shortClasses`). Throws `UsageError` on a bad number of shots.
 */
export function sampleFewShot(source: Dataset | Labels, { shots, seed, split }: FewShotOptions): number[] {
  if (shots !== Number.POSITIVE_INFINITY && !(Number.isInteger(shots) && shots >= 0)) {
    throw new UsageError(`The number of shots must be a whole number, not ${shots}`, {
      code: 'dataset/shots',
      details: { shots },
    });
  }
  const byClass = groupBy(rowsOf(source, split), ({ label }) => label);
  const labels = [...byClass.keys()].sort((a, b) => a - b);
  return labels.flatMap((label) => drawOrder(byClass.get(label)!, seed).slice(0, shots));
}

/** The whole class in order of its draw: the first picture of each group, then the second of each, and so on. */
function drawOrder(rows: Row[], seed: number | string): number[] {
  const placed = rows.map((row) => ({ ...row, at: random('few-shot', seed, row.classId, row.id).uniform() }));
  const turns = [...groupBy(placed, unit).values()].flatMap((members) => {
    // A group's place is that of its first picture by name, so that large groups are not drawn sooner than small ones.
    const groupAt = members.reduce((first, row) => (naturalOrder(row.id, first.id) < 0 ? row : first)).at;
    members.sort((a, b) => a.at - b.at || a.index - b.index);
    return members.map(({ index }, round) => ({ index, round, groupAt }));
  });
  turns.sort((a, b) => a.round - b.round || a.groupAt - b.groupAt || a.index - b.index);
  return turns.map(({ index }) => index);
}

/** What is drawn or split as one: a group, or a picture without one. */
export function unit({ group, id }: Pick<Row, 'group' | 'id'>): string {
  return group === undefined ? `picture ${id}` : `group ${group}`;
}

function rowsOf(source: Dataset | Labels, split?: Split): Row[] {
  if ('examples' in source) {
    checkSource(source);
    const rows = source.examples.map((example, index) => ({
      ...rowOf(source, example, index),
      split: example.split,
    }));
    return rows.filter((row) => row.label >= 0 && (split === undefined || row.split === split));
  }
  const rows = Array.from(source.labels, (label, index): Row => {
    return { index, label, id: String(index), classId: String(label), group: source.groups?.[index] };
  });
  return rows.filter(({ label }) => label >= 0);
}

function rowOf(dataset: Dataset, { id, label, group }: Example, index: number): Row {
  return { index, label, id: id.normalize('NFC'), classId: dataset.classes[label]?.id ?? '', group };
}

/** Says which classes gave fewer pictures than were asked for. */
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
