import { distance } from 'fastest-levenshtein';
import { matchClasses } from '../dataset/classes.ts';
import { visible } from '../dataset/names.ts';
import { learnable } from '../dataset/split.ts';
import type { ClassInfo, Dataset, Example, Finding } from '../dataset/types.ts';
import { sharedEngine } from '../engine/node.ts';
import { DataError, errorAbout, messageAbout, UsageError } from '../errors.ts';
import { concatRows, selectRows } from '../math/matrix.ts';
import { methodById } from '../methods/index.ts';
import { checkNeeds } from '../methods/method.ts';
import { joinSupport, type Support, selectExamples } from '../methods/task.ts';
import { headFromPrompts } from '../methods/text-head.ts';
import { resolveOptions } from '../options.ts';
import { count, plural } from '../words.ts';
import { emptiedClasses } from './emptied.ts';
import { openTower } from './refit.ts';
import type { Runtime } from './runtime.ts';
import { readSource } from './source.ts';
import { describeExamples, roundedAgain, roundedHead, supportOf } from './support.ts';
import { taskOf } from './task.ts';
import type { ClassifierData, ImageSource, SupportExample, WorkOptions } from './types.ts';

/** A picture and the class it shows: an id or a shown name; a name that is not known yet becomes a new class. */
export interface NewExample {
  readonly image: ImageSource;
  readonly label: string;
}

/** What to forget, by example id, class id or shown name. */
export interface Removal {
  readonly examples?: readonly string[];
  readonly classes?: readonly string[];
}

/** The data with further examples. Pictures that are known already are left out and reported. */
export async function addExamples(
  data: ClassifierData,
  runtime: Runtime,
  added: readonly NewExample[] | Dataset,
  { signal, onProgress }: WorkOptions = {},
): Promise<{ data: ClassifierData; findings: Finding[] }> {
  const { examples, classes, findings: told } = labelled(data.classes, added);
  const { seed, exif } = data;
  const views = data.views > 1 ? Array.from({ length: data.views + 1 }, (_, view) => view) : [0];
  const encoded = await runtime.encode(examples, { views, seed, exif, signal, onProgress });
  if (encoded.failures.length > 0 && encoded.failed.size === examples.length) {
    const [{ id, error }] = encoded.failures;
    throw errorAbout(id, error);
  }

  const readable = examples.filter((_, i) => !encoded.failed.has(i));
  const fresh = supportOf(readable, encoded, Int32Array.from(readable.keys()), data.keys?.type ?? 'half');
  const described = await describeExamples(
    readable,
    encoded,
    data.examples.every((example) => example.thumbnail) ? runtime : undefined,
  );
  const known = new Set(data.examples.map(({ sha256 }, i) => `${sha256} ${data.support.labels[i]}`));
  const kept = readable.flatMap((example, i) => {
    const key = `${described[i].sha256} ${example.label}`;
    if (known.has(key)) return [];
    known.add(key);
    return [i];
  });
  const grown = classes.slice(data.classes.length);
  const words =
    grown.length > 0 ? await grownHead(data, runtime, grown, signal) : { head: data.head, findings: [] };
  const findings = [
    ...told,
    ...changeFindings(encoded.failures, readable.length - kept.length),
    ...otherClassFindings(
      classes,
      [...data.examples, ...kept.map((i) => described[i])],
      [...data.support.labels, ...kept.map((i) => readable[i].label)],
      data.examples.length,
    ),
    ...emptiedClasses(
      classes,
      examples.filter(({ label }) => label >= data.classes.length),
      readable,
      { code: 'add/emptied-class', consequence: 'such a class is known at most by its name' },
    ),
    ...words.findings,
  ];
  const next: ClassifierData = {
    ...data,
    classes,
    head: words.head,
    support: roundedAgain(
      joinSupport(data.support, regrouped(data.support, selectExamples(fresh, kept))),
      data.keys,
    ),
    examples: [
      ...data.examples,
      ...distinctIds(
        data.examples,
        kept.map((i) => described[i]),
      ),
    ],
    version: data.version + 1,
  };
  return { data: await refitted(next, runtime), findings };
}

/** The data without some examples or classes. */
export async function removeParts(
  data: ClassifierData,
  runtime: Runtime,
  removal: Removal,
): Promise<ClassifierData> {
  const gone = new Set((removal.classes ?? []).map((name) => classIndex(data.classes, name)));
  const classes = data.classes.filter((_, c) => !gone.has(c));
  if (classes.length < 2) {
    throw new UsageError('A classifier needs two classes, and this change leaves fewer', {
      code: 'remove/last-classes',
      hint: 'Add another class first.',
    });
  }
  const forgotten = new Set((removal.examples ?? []).map((id) => exampleIndex(data, id)));
  const kept = [...data.examples.keys()].filter(
    (i) => !forgotten.has(i) && !gone.has(data.support.labels[i]),
  );
  const renumbered = data.classes.map((info) => classes.indexOf(info));
  const support = roundedAgain(selectExamples(data.support, kept), data.keys);
  const { head } = data;
  const prompts = head ? [...head.promptClass.keys()].filter((p) => !gone.has(head.promptClass[p])) : [];
  const next = {
    ...data,
    classes,
    head: head && {
      ...headFromPrompts(
        selectRows(head.promptFeatures, prompts),
        Int32Array.from(prompts, (p) => renumbered[head.promptClass[p]]),
        classes.length,
        head.logitScale,
      ),
      prompts: head.prompts.filter((_, c) => !gone.has(c)),
    },
    support: { ...support, labels: support.labels.map((label) => renumbered[label]) },
    examples: kept.map((i) => data.examples[i]),
    version: data.version + 1,
  };
  return refitted(next, runtime);
}

/** Examples with the classifier's class numbers; classes it does not know are put after those it does. */
function labelled(
  known: readonly ClassInfo[],
  added: readonly NewExample[] | Dataset,
): { examples: Example[]; classes: ClassInfo[]; findings: readonly Finding[] } {
  const classes = [...known];
  if ('examples' in added) {
    const { classes: own, examples, findings } = learnable(added);
    const { toB } = matchClasses(own, known);
    const numbers = own.map((info, c) => (toB[c] >= 0 ? toB[c] : classes.push(info) - 1));
    const numbered = examples
      .filter(({ label }) => label >= 0)
      .map((example) => ({ ...example, label: numbers[example.label] }));
    return { examples: numbered, classes, findings };
  }
  const numberOf = (info: ClassInfo): number => {
    const [match] = matchClasses([info], classes).toB;
    return match >= 0 ? match : classes.push(info) - 1;
  };
  const examples = added.map(({ image, label }): Example => {
    const id = visible(label);
    const name = id.replaceAll('_', ' ').trim();
    if (name === '') throw new UsageError('A label cannot be empty', { code: 'add/label' });
    return { ...readSource(image), label: numberOf({ id, name, promptName: name, prompts: [] }) };
  });
  return { examples, classes, findings: [] };
}

async function grownHead(
  data: ClassifierData,
  runtime: Runtime,
  grown: readonly ClassInfo[],
  signal?: AbortSignal,
): Promise<{ head: ClassifierData['head']; findings: Finding[] }> {
  const { head } = data;
  if (!head) return { head, findings: [] };
  const { head: more, findings } = await roundedHead(await runtime.encoder(), grown, data.templates, signal);
  const promptClass = Int32Array.from([
    ...head.promptClass,
    ...more.promptClass.map((c) => c + data.classes.length),
  ]);
  const features = concatRows([head.promptFeatures, more.promptFeatures]);
  const classes = data.classes.length + grown.length;
  const grownPrompts = headFromPrompts(features, promptClass, classes, head.logitScale);
  return { head: { ...grownPrompts, prompts: [...head.prompts, ...more.prompts] }, findings };
}

/** The added examples, renamed where an id is taken: ids are how an example is removed again. */
function distinctIds(before: readonly SupportExample[], added: readonly SupportExample[]): SupportExample[] {
  const taken = new Set(before.map(({ id }) => id));
  return added.map((example) => {
    let { id } = example;
    for (let n = 2; taken.has(id); n++) id = `${example.id} (${n})`;
    taken.add(id);
    return { ...example, id };
  });
}

/** The fresh examples with groups of their own. */
function regrouped(before: Support, fresh: Support): Support {
  const start = before.groups.reduce((most, group) => Math.max(most, group + 1), 0);
  return { ...fresh, groups: fresh.groups.map((group) => group + start) };
}

/** The method fitted to the changed examples with the constants it had. */
async function refitted(data: ClassifierData, runtime: Runtime): Promise<ClassifierData> {
  const method = methodById(data.method);
  const textTower = method.needs.includes('text-tower')
    ? await openTower(data, await runtime.encoder(), method.id)
    : undefined;
  // What was learnt before is nearly right: a convex fit begins there.
  const task = { ...taskOf(data), engine: sharedEngine(), textTower, start: data.state };
  checkNeeds(method, task);
  return { ...data, state: await method.fit(task, resolveOptions(method.options, data.options)) };
}

function changeFindings(failures: readonly { id: string; error: Error }[], repeated: number): Finding[] {
  const findings: Finding[] = [];
  if (failures.length > 0) {
    findings.push({
      level: 'warning',
      code: 'add/unreadable',
      message: `${count(failures.length, 'picture')} could not be read and ${plural(failures.length, 'is', 'are')} left out`,
      paths: failures.map(({ id, error }) => messageAbout(id, error.message)),
    });
  }
  if (repeated > 0) {
    const message = `${count(repeated, 'picture')} ${plural(repeated, 'is an example', 'are examples')} of that class already and ${plural(repeated, 'is', 'are')} left out`;
    findings.push({ level: 'info', code: 'add/known', message });
  }
  return findings;
}

/** Says which examples, from `start` on, are pictures that are examples of another class too: one of the labels is wrong. */
function otherClassFindings(
  classes: readonly ClassInfo[],
  examples: readonly SupportExample[],
  labels: readonly number[],
  start: number,
): Finding[] {
  const known = new Map<string, number>();
  const twice = examples.flatMap(({ id, sha256 }, i) => {
    const before = known.get(sha256) ?? i;
    known.set(sha256, before);
    if (i < start || labels[before] === labels[i]) return [];
    const [one, other] = [before, i].map((k) => `"${classes[labels[k]].id}"`);
    return [`${id} is ${other}, and as ${examples[before].id} ${one}`];
  });
  if (twice.length === 0) return [];
  const message = `${count(twice.length, 'picture is an example', 'pictures are examples')} of two classes`;
  return [{ level: 'warning', code: 'add/same-picture', message, paths: twice }];
}

function classIndex(classes: readonly ClassInfo[], name: string): number {
  const wanted = { id: name, name, promptName: name, prompts: [] };
  const [match] = matchClasses([wanted], classes).toB;
  if (match >= 0) return match;
  const nearest = classes.reduce((a, b) => (distance(name, b.name) < distance(name, a.name) ? b : a));
  throw new UsageError(`The classifier has no class "${name}"`, {
    code: 'class/unknown',
    hint: `Did you mean "${nearest.name}"?`,
    details: { name },
  });
}

function exampleIndex({ examples }: ClassifierData, id: string): number {
  const index = examples.findIndex((example) => example.id === id);
  if (index >= 0) return index;
  if (examples.length === 0) throw new DataError('The classifier has no examples', { code: 'example/none' });
  const nearest = examples.reduce((a, b) => (distance(id, b.id) < distance(id, a.id) ? b : a));
  throw new UsageError(`The classifier has no example "${id}"`, {
    code: 'example/unknown',
    hint: `Did you mean "${nearest.id}"? \`tip-adapter info --json\` lists them.`,
    details: { id },
  });
}
