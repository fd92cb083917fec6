import { waitFor } from '../abort.ts';
import { sampleFewShot, shortClasses } from '../dataset/few-shot.ts';
import { groupedBy, likelyGroups } from '../dataset/grouping.ts';
import { learnable } from '../dataset/split.ts';
import type { Dataset, Example } from '../dataset/types.ts';
import type { EncodedImages } from '../encoder/encode.ts';
import { DataError, messageAbout } from '../errors.ts';
import { count } from '../words.ts';
import { checkEncoderSuits, roundedHead, templatesOf } from './class-texts.ts';
import { referenceTo } from './encoder-reference.ts';
import type { EncoderSession } from './encoder-session.ts';
import { embedExamples } from './examples.ts';
import { emptiedClasses, unreadable } from './fit-findings.ts';
import type { FitValues } from './fit-options.ts';
import type { Prepared } from './learn.ts';
import type { WorkOptions } from './types.ts';
import { unencoded, unlisted } from './unread.ts';

/** Encodes labelled pictures for `learn`. Throws `DataError` if fewer than two classes are left. */
export async function preparePictures(
  given: Dataset,
  values: FitValues,
  session: EncoderSession,
  { signal, onProgress }: WorkOptions,
): Promise<Prepared> {
  const { classes, name } = given;
  const { exif, views, shots = Number.POSITIVE_INFINITY, seed, keys, thumbnails, tune } = values;
  checkTwoClasses(given);
  const { groupBy } = values;
  const dataset = groupBy ? await groupedBy(given, groupBy, { signal }) : given;
  const source = learnable(dataset);
  const drawn = sampleFewShot(source, { shots, seed });
  const examples = drawn.map((i) => source.examples[i]!);
  const together = groupBy ? [] : await likelyGroups(examples, { signal });
  const encoder = await waitFor(session.encoder(), signal);
  checkEncoderSuits(values, encoder);
  const how = { views, seed, exif, keys, thumbnails, dataset, signal, onProgress };
  const embedded = await embedExamples(session, examples, how);
  const { kept, failures, support, described, exact } = embedded;
  checkPictures(dataset, kept, failures);
  // The tuning rows: the validation split, or for protocol `paper` the test split.
  const split = tune === 'val' ? 'val' : tune === 'paper' ? 'test' : undefined;
  const others = split ? dataset.examples.filter((one) => one.split === split && one.label >= 0) : [];
  const encoded = split && (await session.encode(others, { views: [0], seed, exif, signal }));
  const read = others.filter((_, i) => !encoded?.failed.has(i));
  if (encoded && read.length === 0) throw noSplit(name, split, encoded.failures);
  const templates = encoder.embedTexts ? templatesOf(values, encoder) : [];
  const texts = { cache: session.features(), signal };
  const words = encoder.embedTexts && (await roundedHead(encoder, classes, templates, texts));
  return {
    known: {
      classes,
      templates,
      encoder: referenceTo(encoder),
      head: words?.head,
      support,
      examples: described,
      dataset: name,
      ...{ exif, views, shots: values.shots, seed },
    },
    encoder,
    rows: {
      exact,
      validation: encoded && {
        features: encoded.features,
        labels: Int32Array.from(read, ({ label }) => label),
        hashes: encoded.hashes,
      },
    },
    findings: [
      ...source.findings,
      ...together,
      ...shortClasses(classes, kept, shots),
      ...unreadable('fit/unreadable', [...failures, ...(encoded?.failures ?? [])]),
      ...emptiedClasses(classes, examples, kept, {
        code: 'fit/emptied-class',
        consequence:
          'such a class can be recognised at most by its name, and a method without names never answers it',
      }),
      ...emptiedClasses(classes, others, read, {
        code: 'fit/emptied-class',
        consequence: `such a class is not evaluated on the split ${split}`,
      }),
      ...embedded.findings,
      ...(words?.findings ?? []),
    ],
    unread: [
      ...unlisted(dataset, (one) => one === 'train' || one === split),
      ...unencoded([...failures, ...(encoded?.failures ?? [])]),
    ],
  };
}

function noSplit(name: string, split: string, failures: EncodedImages['failures']): DataError {
  return new DataError(`${name} has no split ${split} to tune on`, {
    code: 'fit/no-validation',
    hint: `Put pictures into ${split}/<class>/, or use --tune folds, which needs none.`,
    details: { unreadable: failures.length },
  });
}

/** Throws `DataError` if no picture is left. */
export function checkPictures(
  { name }: Dataset,
  kept: readonly Example[],
  failures: EncodedImages['failures'],
): void {
  if (kept.length === 0) {
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
}

/** Throws `DataError` for a data set of one class. */
export function checkTwoClasses({ classes, name }: Dataset): void {
  if (classes.length !== 1) return;
  throw new DataError(
    `A classifier needs two classes; ${name} has one: ${classes.map((info) => info.name)}`,
    {
      code: 'fit/one-class',
      hint: FOLDERS_HINT,
      details: { classes: classes.map((info) => info.id) },
    },
  );
}

const FOLDERS_HINT =
  'Put the pictures of each class into a folder of its own, such as photos/cat and photos/dog.';
