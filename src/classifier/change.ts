import { giveWay } from '../abort.ts';
import { matchClasses } from '../dataset/classes.ts';
import { isFeatureDump } from '../dataset/feature-dump.ts';
import { visible } from '../dataset/names.ts';
import { readDataset } from '../dataset/read.ts';
import { learnable } from '../dataset/split.ts';
import type { ClassInfo, Dataset, Example, Finding } from '../dataset/types.ts';
import { quoted } from '../dataset/wording.ts';
import { sharedEngine } from '../engine/node.ts';
import { DataError, errorAbout, messageAbout, UsageError } from '../errors.ts';
import { selectRows } from '../math/matrix.ts';
import { methodById } from '../methods/index.ts';
import { checkNeeds } from '../methods/method.ts';
import { selectExamples } from '../methods/task.ts';
import { headFromPrompts } from '../methods/text-head.ts';
import { suggestion } from '../nearest.ts';
import { resolveOptions } from '../options.ts';
import { count, plural } from '../words.ts';
import { addFeatures } from './add-features.ts';
import { emptiedClasses } from './emptied.ts';
import { grown, grownHead } from './grow.ts';
import { openTower } from './refit.ts';
import type { Runtime } from './runtime.ts';
import { readSource } from './source.ts';
import { describeExamples, roundedAgain, roundedHead, supportOf } from './support.ts';
import { taskOf } from './task.ts';
import type { ClassifierData, ImageSource, WorkOptions } from './types.ts';

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

/**
 * The data with further examples: pictures, a data set, or the path of one or of a folder of features. Those that are known already
 * are left out and reported.
 */
export async function addExamples(
  data: ClassifierData,
  runtime: Runtime,
  added: readonly NewExample[] | Dataset | string,
  { signal, onProgress }: WorkOptions = {},
): Promise<{ data: ClassifierData; findings: Finding[] }> {
  if (typeof added === 'string') {
    if (!(await isFeatureDump(added)))
      return addExamples(data, runtime, await readDataset(added, { signal }), { signal, onProgress });
    const { data: next, findings } = await addFeatures(data, runtime, added, { signal });
    return { data: await refitted(next, runtime, signal), findings };
  }
  const { examples, classes, findings: told } = labelled(data.classes, added);
  const { seed, exif } = data;
  const views = data.views > 1 ? Array.from({ length: data.views + 1 }, (_, view) => view) : [0];
  const encoded = await runtime.encode(examples, { views, seed, exif, signal, onProgress });
  if (encoded.failures.length > 0 && encoded.failed.size === examples.length) {
    const [{ id, error }] = encoded.failures;
    throw errorAbout(id, error);
  }

  const readable = examples.filter((_, i) => !encoded.failed.has(i));
  const support = supportOf(readable, encoded, Int32Array.from(readable.keys()), data.keys?.type ?? 'half');
  const described = await describeExamples(
    readable,
    encoded,
    data.examples.every((example) => example.thumbnail) ? runtime : undefined,
  );
  const fresh = classes.slice(data.classes.length);
  const words = await headWith(data, runtime, fresh, signal);
  const next = grown(data, { classes, head: words.head, support, described, noun: 'picture' });
  const findings = [
    ...told,
    ...unreadFindings(encoded.failures),
    ...next.findings,
    ...emptiedClasses(
      classes,
      examples.filter(({ label }) => label >= data.classes.length),
      readable,
      { code: 'add/emptied-class', consequence: 'such a class is known at most by its name' },
    ),
    ...words.findings,
  ];
  return { data: await refitted(next.data, runtime, signal), findings };
}

/** The data without some examples or classes. */
export async function removeParts(
  data: ClassifierData,
  runtime: Runtime,
  removal: Removal,
  { signal }: Pick<WorkOptions, 'signal'> = {},
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
  return refitted(next, runtime, signal);
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

async function headWith(
  { head, templates }: ClassifierData,
  runtime: Runtime,
  fresh: readonly ClassInfo[],
  signal?: AbortSignal,
): Promise<{ head: ClassifierData['head']; findings: Finding[] }> {
  if (!head || fresh.length === 0) return { head, findings: [] };
  const { head: more, findings } = await roundedHead(await runtime.encoder(), fresh, templates, signal);
  return { head: grownHead(head, more), findings };
}

/** The method fitted to the changed examples with the constants it had. */
async function refitted(
  data: ClassifierData,
  runtime: Runtime,
  signal?: AbortSignal,
): Promise<ClassifierData> {
  await giveWay(signal);
  const method = methodById(data.method);
  const textTower = method.needs.includes('text-tower')
    ? await openTower(data, await runtime.encoder(), method.id)
    : undefined;
  // What was learnt before is nearly right: a convex fit begins there.
  const task = { ...taskOf(data, signal), engine: sharedEngine(), textTower, start: data.state };
  checkNeeds(method, task);
  return { ...data, state: await method.fit(task, resolveOptions(method.options, data.options)) };
}

function unreadFindings(failures: readonly { id: string; error: Error }[]): Finding[] {
  if (failures.length === 0) return [];
  const message = `${count(failures.length, 'picture')} could not be read and ${plural(failures.length, 'is', 'are')} left out`;
  const paths = failures.map(({ id, error }) => messageAbout(id, error.message));
  return [{ level: 'warning', code: 'add/unreadable', message, paths }];
}

function classIndex(classes: readonly ClassInfo[], name: string): number {
  const wanted = { id: name, name, promptName: name, prompts: [] };
  const [match] = matchClasses([wanted], classes).toB;
  if (match >= 0) return match;
  const names = classes.map((info) => info.name);
  throw new UsageError(`The classifier has no class "${name}"`, {
    code: 'class/unknown',
    hint: `${suggestion(name, names)}Its classes are ${quoted(names)}.`,
    details: { name },
  });
}

function exampleIndex({ examples }: ClassifierData, id: string): number {
  const index = examples.findIndex((example) => example.id === id);
  if (index >= 0) return index;
  if (examples.length === 0) throw new DataError('The classifier has no examples', { code: 'example/none' });
  const ids = examples.map((example) => example.id);
  throw new UsageError(`The classifier has no example "${id}"`, {
    code: 'example/unknown',
    hint: `${suggestion(id, ids)}\`tip-adapter info --json\` lists them.`,
    details: { id },
  });
}
