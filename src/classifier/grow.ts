import { matchClasses } from '../dataset/classes.ts';
import type { ClassInfo, Finding } from '../dataset/types.ts';
import { joinSupport, type Support, selectExamples } from '../methods/task.ts';
import { count, plural } from '../words.ts';
import { roundedAgain } from './rounding.ts';
import type { ClassifierData, SupportExample } from './types.ts';

/** Additions to a classifier. */
export interface Growth {
  /** The classifier's own classes, then the new ones. */
  readonly classes: readonly ClassInfo[];
  readonly head: ClassifierData['head'];
  /** The further examples. Labels are indices of `classes`. */
  readonly support: Support;
  readonly described: readonly SupportExample[];
  /** The noun for an example in messages: `picture`, or `row` for features. */
  readonly noun: string;
}

/**
 * Appends the classes of `own` that are not known to the known ones. Returns the list, the index in it of each class of `own`, and a
 * finding about names that are written in another way.
 */
export function joinClasses(
  known: readonly ClassInfo[],
  own: readonly ClassInfo[],
): { classes: ClassInfo[]; places: number[]; findings: Finding[] } {
  const classes = [...known];
  const { toB } = matchClasses(own, known);
  const places = own.map((info, c) => (toB[c]! >= 0 ? toB[c]! : classes.push(info) - 1));
  const findings = respelledFindings(own.map((info, c) => [info, classes[places[c]!]!]));
  return { classes, places, findings };
}

/** Tells of names that count as a class which is written in another way: upper and lower case, blanks, the form of a number. */
export function respelledFindings(
  pairs: readonly (readonly [given: ClassInfo, taken: ClassInfo])[],
): Finding[] {
  const taken = pairs.flatMap(([given, { id, name }]) =>
    [given.id, given.name].some((own) => own === id || own === name) ? [] : [`"${given.id}" as "${id}"`],
  );
  const paths = [...new Set(taken)];
  if (paths.length === 0) return [];
  const names = count(
    paths.length,
    'name was taken as a class that is',
    'names were taken as classes that are',
  );
  return [{ level: 'info', code: 'add/respelled', message: `${names} written in another way`, paths }];
}

/** The data with further examples, not fitted yet. Examples that it already has are left out and reported. */
export function grown(
  data: ClassifierData,
  { classes, head, support, described, noun }: Growth,
): { data: ClassifierData; findings: Finding[] } {
  const known = new Set(data.examples.map(({ sha256 }, i) => `${sha256} ${data.support.labels[i]}`));
  const kept = described.flatMap(({ sha256 }, i) => {
    const key = `${sha256} ${support.labels[i]}`;
    if (known.has(key)) return [];
    known.add(key);
    return [i];
  });
  const joined = joinSupport(data.support, regrouped(data.support, selectExamples(support, kept)));
  const added = kept.map((i) => described[i]!);
  const next: ClassifierData = {
    ...data,
    classes,
    head,
    support: roundedAgain(joined, data.keys),
    examples: [...data.examples, ...distinctIds(data.examples, added)],
    version: data.version + 1,
  };
  const all = [...data.examples, ...added];
  const findings = [
    ...knownFindings(described.length - kept.length, noun),
    ...otherClassFindings(classes, all, joined.labels, { start: data.examples.length, noun }),
  ];
  return { data: next, findings };
}

/** The added examples, renamed if an id is taken, because `remove` finds an example by its id. */
function distinctIds(before: readonly SupportExample[], added: readonly SupportExample[]): SupportExample[] {
  const taken = new Set(before.map(({ id }) => id));
  return added.map((example) => {
    let { id } = example;
    for (let n = 2; taken.has(id); n++) id = `${example.id} (${n})`;
    taken.add(id);
    return { ...example, id };
  });
}

/** The new examples with their own group numbers. */
function regrouped(before: Support, fresh: Support): Support {
  const start = before.groups.reduce((most, group) => Math.max(most, group + 1), 0);
  return { ...fresh, groups: fresh.groups.map((group) => group + start) };
}

function knownFindings(repeated: number, noun: string): Finding[] {
  if (repeated === 0) return [];
  const [are, left] = [plural(repeated, 'is an example', 'are examples'), plural(repeated, 'is', 'are')];
  const message = `${count(repeated, noun)} ${are} of that class already and ${left} left out`;
  return [{ level: 'info', code: 'add/known', message }];
}

/** Warns of examples, from `start` on, that are also examples of another class, so that one of the labels is wrong. */
function otherClassFindings(
  classes: readonly ClassInfo[],
  examples: readonly SupportExample[],
  labels: ArrayLike<number>,
  { start, noun }: { start: number; noun: string },
): Finding[] {
  const known = new Map<string, number>();
  const twice = examples.flatMap(({ id, sha256 }, i) => {
    const before = known.get(sha256) ?? i;
    known.set(sha256, before);
    if (i < start || labels[before] === labels[i]) return [];
    const [one, other] = [before, i].map((k) => `"${classes[labels[k]!]!.id}"`);
    return [`${id} is ${other}, and as ${examples[before]!.id} ${one}`];
  });
  if (twice.length === 0) return [];
  const message = `${count(twice.length, `${noun} is an example`, `${noun}s are examples`)} of two classes`;
  return [{ level: 'warning', code: 'add/same-picture', message, paths: twice }];
}
