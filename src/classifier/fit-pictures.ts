import { waitFor } from '../abort.ts';
import { sampleFewShot, shortClasses } from '../dataset/few-shot.ts';
import { learnable } from '../dataset/split.ts';
import type { Dataset, Example, Finding } from '../dataset/types.ts';
import type { EncodedImages } from '../encoder/encode.ts';
import { DataError, messageAbout } from '../errors.ts';
import type { Support } from '../methods/task.ts';
import { count, plural } from '../words.ts';
import { emptiedClasses } from './emptied.ts';
import { referenceTo } from './encoder-reference.ts';
import type { EncoderSession } from './encoder-session.ts';
import type { FitValues } from './fit-options.ts';
import type { Wanted } from './given.ts';
import { type FitWatch, learn } from './learn.ts';
import type { Rows } from './model-selection.ts';
import { findRepeats } from './repeats.ts';
import { describeExamples, roundedHead, supportOf, templatesOf } from './support.ts';
import type { ClassifierData, WorkOptions } from './types.ts';

/** A classifier's data from labelled pictures. Throws `DataError` where fewer than two classes are left. */
export async function fitPictures(
  dataset: Dataset,
  values: FitValues & Pick<Wanted, 'options'>,
  session: EncoderSession,
  { signal, onProgress, ...watch }: WorkOptions & FitWatch,
): Promise<{ data: ClassifierData; findings: Finding[] }> {
  const source = learnable(dataset);
  const drawn = drawExamples(source, values);
  const encoder = await waitFor(session.encoder(), signal);
  const views = values.views > 1 ? Array.from({ length: values.views + 1 }, (_, view) => view) : [0];
  const encoded = await session.encode(drawn.examples, {
    views,
    seed: values.seed,
    exif: values.exif,
    signal,
    onProgress,
  });
  const isKept = (_: unknown, i: number) => !encoded.failed.has(i);
  const kept = drawn.examples.filter(isKept);
  const repeats = await findRepeats(dataset, kept, encoded, { signal });
  const support = supportOf(kept, encoded, repeats.groups, values.keys);
  checkClasses(dataset, support, encoded.failures);
  const validation =
    values.tune === 'val' || values.tune === 'paper'
      ? await encodeSplit(dataset, values.tune === 'val' ? 'val' : 'test', session, values, signal)
      : undefined;
  const templates = templatesOf(values, encoder);
  const words = await roundedHead(encoder, dataset.classes, templates, signal);
  const findings = [
    ...source.findings,
    ...(values.shots === undefined ? [] : shortClasses(source, drawn.indices.filter(isKept), values.shots)),
    ...unreadable([...encoded.failures, ...(validation?.failures ?? [])]),
    ...emptiedClasses(dataset.classes, drawn.examples, kept, {
      code: 'fit/emptied-class',
      consequence: 'such a class is known at most by its name, and a method without names never answers it',
    }),
    ...(validation?.findings ?? []),
    ...repeats.findings,
    ...words.findings,
  ];
  const { reject, exif, shots, seed } = values;
  const known = {
    classes: dataset.classes,
    templates,
    encoder: referenceTo(encoder),
    head: words.head,
    support,
    examples: await describeExamples(kept, encoded, values.thumbnails ? session : undefined, { signal }),
    dataset: dataset.name,
    ...{ reject, exif, views: values.views, shots, seed },
  };
  const exact = values.keys === 'int8' ? encoded.features : undefined;
  const data = await learn(known, values, encoder, { exact, validation }, { signal, ...watch });
  return { data, findings };
}

function drawExamples(
  dataset: Dataset,
  { shots, seed }: FitValues,
): { indices: number[]; examples: Example[] } {
  const indices = sampleFewShot(dataset, { shots: shots ?? Number.POSITIVE_INFINITY, seed });
  return { indices, examples: indices.map((i) => dataset.examples[i]!) };
}

function unreadable(failures: EncodedImages['failures']): Finding[] {
  if (failures.length === 0) return [];
  const paths = failures.map(({ id, error }) => messageAbout(id, error.message));
  const message = `${count(failures.length, 'picture')} could not be read and ${plural(failures.length, 'is', 'are')} left out`;
  return [{ level: 'warning', code: 'fit/unreadable', message, paths }];
}

function checkClasses(
  { classes, name }: Dataset,
  { labels }: Support,
  failures: EncodedImages['failures'],
): void {
  if (labels.length === 0) {
    const [unread] = failures;
    throw new DataError(
      unread
        ? `No picture in ${name} could be read (${count(failures.length, 'file')} tried)`
        : `${name} has no picture to learn from`,
      {
        code: 'fit/no-pictures',
        hint: unread ? `The first one: ${messageAbout(unread.id, unread.error.message)}.` : FOLDERS_HINT,
        details: { paths: failures.map(({ id }) => id) },
      },
    );
  }
  if (classes.length < 2) {
    throw new DataError(
      `A classifier needs two classes; ${name} has one: ${classes.map((info) => info.name)}`,
      {
        code: 'fit/one-class',
        hint: FOLDERS_HINT,
        details: { classes: classes.map((info) => info.id) },
      },
    );
  }
}

const FOLDERS_HINT =
  'Put the pictures of each class into a folder of its own, such as photos/cat and photos/dog.';

/** The rows that constants are chosen on: the validation split, or for protocol `paper` the test split. */
async function encodeSplit(
  dataset: Dataset,
  split: 'val' | 'test',
  session: EncoderSession,
  { seed, exif }: FitValues,
  signal?: AbortSignal,
): Promise<Rows & { failures: EncodedImages['failures']; findings: Finding[] }> {
  const examples = dataset.examples.filter((example) => example.split === split && example.label >= 0);
  const { features, failures, failed } = await session.encode(examples, { views: [0], seed, exif, signal });
  const kept = examples.filter((_, i) => !failed.has(i));
  if (kept.length === 0) {
    throw new DataError(`${dataset.name} has no split ${split} to tune on`, {
      code: 'fit/no-validation',
      hint: `Put pictures into ${split}/<class>/, or use --tune folds, which needs none.`,
      details: { unreadable: failures.length },
    });
  }
  const findings = emptiedClasses(dataset.classes, examples, kept, {
    code: 'fit/emptied-class',
    consequence: `such a class is not evaluated on the split ${split}`,
  });
  return { features, labels: Int32Array.from(kept, ({ label }) => label), failures, findings };
}
