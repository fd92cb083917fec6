import { matchClasses } from '../dataset/classes.ts';
import { quoted } from '../dataset/findings.ts';
import type { ClassInfo } from '../dataset/types.ts';
import { DataError, UsageError } from '../errors.ts';
import { selectRows } from '../math/matrix.ts';
import { selectExamples } from '../methods/task.ts';
import { headFromPrompts } from '../methods/text-head.ts';
import { suggestion } from '../nearest.ts';
import type { EncoderSession } from './encoder-session.ts';
import { learnAgain } from './learn.ts';
import { roundedAgain } from './rounding.ts';
import { summarisedError } from './summary-changes.ts';
import type { ClassifierData, WorkOptions } from './types.ts';

/** What `remove` takes out of a classifier: ids of examples, and ids or shown names of classes. */
export interface Removal {
  readonly examples?: readonly string[];
  readonly classes?: readonly string[];
}

/** The data without some examples or classes. */
export async function removeParts(
  data: ClassifierData,
  session: Pick<EncoderSession, 'encoder'>,
  removal: Removal,
  { signal }: Pick<WorkOptions, 'signal'> = {},
): Promise<ClassifierData> {
  if (data.summary) throw summarisedError('Examples and classes cannot be removed from it');
  const gone = new Set((removal.classes ?? []).map((name) => classIndex(data.classes, name)));
  const classes = data.classes.filter((_, c) => !gone.has(c));
  if (classes.length < 2) {
    throw new UsageError('A classifier needs two classes, and this change leaves fewer', {
      code: 'remove/last-classes',
      hint: 'Add another class first.',
    });
  }
  const forgotten = exampleIndexes(data, removal.examples ?? []);
  const kept = [...data.examples.keys()].filter(
    (i) => !forgotten.has(i) && !gone.has(data.support.labels[i]!),
  );
  const renumbered = data.classes.map((info) => classes.indexOf(info));
  const support = roundedAgain(selectExamples(data.support, kept), data.keys);
  const { head } = data;
  const prompts = head ? [...head.promptClass.keys()].filter((p) => !gone.has(head.promptClass[p]!)) : [];
  const next = {
    ...data,
    classes,
    head: head && {
      ...headFromPrompts(
        selectRows(head.promptFeatures, prompts),
        Int32Array.from(prompts, (p) => renumbered[head.promptClass[p]!]!),
        classes.length,
        head.logitScale,
      ),
      prompts: head.prompts.filter((_, c) => !gone.has(c)),
    },
    support: { ...support, labels: support.labels.map((label) => renumbered[label]!) },
    examples: kept.map((i) => data.examples[i]!),
    version: data.version + 1,
  };
  return learnAgain(next, session, signal);
}

function classIndex(classes: readonly ClassInfo[], name: string): number {
  const wanted = { id: name, name, promptName: name, prompts: [] };
  const match = matchClasses([wanted], classes).toB[0]!;
  if (match >= 0) return match;
  const names = classes.map((info) => info.name);
  throw new UsageError(`The classifier has no class "${name}"`, {
    code: 'class/unknown',
    hint: `${suggestion(name, names)}Its classes are ${quoted(names)}.`,
    details: { name },
  });
}

/** Places of the examples with these ids, the first of each id. */
function exampleIndexes({ examples }: ClassifierData, wanted: readonly string[]): Set<number> {
  if (wanted.length === 0) return new Set();
  if (examples.length === 0) throw new DataError('The classifier has no examples', { code: 'example/none' });
  const ids = examples.map((example) => example.id);
  const places = new Map<string, number>();
  ids.forEach((id, i) => {
    if (!places.has(id)) places.set(id, i);
  });
  return new Set(wanted.map((id) => places.get(id) ?? throwUnknown(id, ids)));
}

function throwUnknown(id: string, ids: readonly string[]): never {
  throw new UsageError(`The classifier has no example "${id}"`, {
    code: 'example/unknown',
    hint: `${suggestion(id, ids)}\`tip-adapter info --json\` lists them.`,
    details: { id },
  });
}
