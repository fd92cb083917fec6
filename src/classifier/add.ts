import { matchClasses } from '../dataset/classes.ts';
import { NEAR_DUPLICATE } from '../dataset/duplicates.ts';
import { checkNewClass, visible } from '../dataset/names.ts';
import type { ClassInfo, Example, Finding } from '../dataset/types.ts';
import { errorAbout, UsageError } from '../errors.ts';
import { selectRows, unitRows } from '../math/matrix.ts';
import { plainRows } from '../methods/task.ts';
import { count, describedValue } from '../words.ts';
import { headWith } from './class-texts.ts';
import type { EmbeddingSession } from './encoder-session.ts';
import { embedExamples, engineProduct } from './examples.ts';
import { emptiedClasses, unreadable } from './fit-findings.ts';
import { type Growth, grown, respelledFindings } from './grow.ts';
import { learnAgain, type Told } from './learn.ts';
import { COUNTED_TWICE, withSummarised } from './summary-changes.ts';
import type { ClassifierData, WorkOptions } from './types.ts';
import { unencoded } from './unread.ts';

/** Further examples with the numbers of their classes. New classes follow the known ones. */
export interface Labelled extends Told {
  readonly examples: readonly Example[];
  readonly classes: readonly ClassInfo[];
}

/** The data with further examples. Examples that the classifier already has are left out and reported. */
export async function addLabelled(
  data: ClassifierData,
  session: EmbeddingSession,
  { examples, classes, findings: told, unread: before }: Labelled,
  { signal, onProgress }: WorkOptions = {},
): Promise<{ data: ClassifierData } & Told> {
  const { kept, failures, support, described } = await embedExamples(session, examples, {
    views: data.views,
    seed: data.seed,
    exif: data.exif,
    keys: data.keys?.type ?? 'half',
    thumbnails: !data.summary && data.examples.every((example) => example.thumbnail),
    signal,
    onProgress,
  });
  const [first] = failures;
  if (first && kept.length === 0) throw errorAbout(first.id, first.error);
  if (data.summary) {
    const grownSums = await withSummarised(data, data.summary, support, classes, signal);
    const findings = [...told, COUNTED_TWICE, ...unreadable('add/unreadable', failures)];
    return { data: grownSums, findings, unread: [...before, ...unencoded(failures)] };
  }
  const words = await headWith(data, classes.slice(data.classes.length), session, { signal });
  const next = grown(data, { classes, head: words.head, support, described, noun: 'picture' });
  const near = await nearFindings(data, classes, { support, described }, signal);
  const findings = [
    ...told,
    ...unreadable('add/unreadable', failures),
    ...next.findings,
    ...near,
    ...emptiedClasses(
      classes,
      examples.filter(({ label }) => label >= data.classes.length),
      kept,
      { code: 'add/emptied-class', consequence: 'such a class can be recognised at most by its name' },
    ),
    ...words.findings,
  ];
  const unread = [...before, ...unencoded(failures)];
  return { data: await learnAgain(next.data, session, signal), findings, unread };
}

/** Number of examples that are compared with the new ones at a time. */
const BLOCK = 8192;

/** Warns of new examples that are nearly the same as an example of another class, so that one of the labels is wrong. */
async function nearFindings(
  data: ClassifierData,
  classes: readonly ClassInfo[],
  { support, described }: Pick<Growth, 'support' | 'described'>,
  signal?: AbortSignal,
): Promise<Finding[]> {
  const fresh = unitRows(plainRows(support));
  const known = plainRows(data.support);
  const nearest = new Map<number, { example: number; similarity: number }>();
  const { product, close } = await engineProduct(signal);
  try {
    for (let start = 0; start < known.rows; start += BLOCK) {
      const rows = Array.from({ length: Math.min(BLOCK, known.rows - start) }, (_, i) => start + i);
      const { cols, data: cosines } = await product(fresh, unitRows(selectRows(known, rows)));
      cosines.forEach((similarity, at) => {
        const [i, example] = [Math.floor(at / cols), start + (at % cols)];
        if (similarity < NEAR_DUPLICATE || data.support.labels[example] === support.labels[i]) return;
        if (data.examples[example]!.sha256 === described[i]!.sha256) return;
        if (similarity > (nearest.get(i)?.similarity ?? 0)) nearest.set(i, { example, similarity });
      });
    }
  } finally {
    await close();
  }
  if (nearest.size === 0) return [];
  const paths = Array.from(nearest, ([i, { example }]) => {
    const [own, other] = [support.labels[i]!, data.support.labels[example]!].map((c) => classes[c]!.id);
    return `${described[i]!.id} is "${own}", and ${data.examples[example]!.id} "${other}"`;
  });
  const message = `${count(nearest.size, 'picture is', 'pictures are')} nearly the same as an example of another class`;
  return [{ level: 'warning', code: 'add/near-duplicate', message, paths }];
}

/** A list of pictures, each with the id or shown name of its class. */
export function labelledList(
  known: readonly ClassInfo[],
  added: readonly (Pick<Example, 'id' | 'read'> & { readonly name: string })[],
): Labelled {
  const classes = [...known];
  const matched: [ClassInfo, ClassInfo][] = [];
  const numberOf = (info: ClassInfo): number => {
    const match = matchClasses([info], classes).toB[0]!;
    if (match >= 0) matched.push([info, classes[match]!]);
    else checkNewClass(info.id);
    return match >= 0 ? match : classes.push(info) - 1;
  };
  const examples = added.map(({ name: label, ...picture }): Example => {
    if (typeof label !== 'string')
      throw new UsageError(`A label cannot be ${describedValue(label)}`, {
        code: 'add/label',
        hint: 'Give the id or the shown name of a class.',
      });
    const id = visible(label);
    const name = id.replaceAll('_', ' ').trim();
    if (name === '') throw new UsageError('A label cannot be empty', { code: 'add/label' });
    return { ...picture, label: numberOf({ id, name, promptName: name, prompts: [] }) };
  });
  return { examples, classes, findings: respelledFindings(matched), unread: [] };
}
