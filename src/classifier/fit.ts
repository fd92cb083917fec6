import { isFeatureDump } from '../dataset/feature-dump.ts';
import { readDataset } from '../dataset/read.ts';
import { sampleFewShot, shortClasses } from '../dataset/sample.ts';
import { learnable } from '../dataset/split.ts';
import type { Dataset, Example, Finding } from '../dataset/types.ts';
import { chooseEncoder } from '../encoder/choose.ts';
import type { EncodedImages } from '../encoder/encode.ts';
import { checkEncoderName, loadEncoder } from '../encoder/local.ts';
import type { PullProgress } from '../encoder/pull.ts';
import type { Encoder } from '../encoder/types.ts';
import { sharedEngine } from '../engine/node.ts';
import { DataError, messageAbout, UsageError } from '../errors.ts';
import type { Method } from '../methods/method.ts';
import { registerMethod } from '../methods/registry.ts';
import type { FitProgress, Support } from '../methods/task.ts';
import { refuseUnknown, resolveOptions, type ValuesOf } from '../options.ts';
import { systemError } from '../system-error.ts';
import { count, plural } from '../words.ts';
import { fileCheckpoint } from './checkpoint.ts';
import { Classifier } from './classifier.ts';
import { emptiedClasses } from './emptied.ts';
import { fitFeatures } from './fit-features.ts';
import { fitFresh } from './fresh.ts';
import { checkGiven, promptFindings } from './given.ts';
import { fitOptions } from './options.ts';
import type { FitWatch } from './refit.ts';
import { findRepeats } from './repeats.ts';
import { createRuntime, type Runtime, referenceTo, runtimeOf } from './runtime.ts';
import { describeExamples, roundedHead, supportOf, templatesOf } from './support.ts';
import type { Rows } from './tune.ts';
import type { WorkOptions } from './types.ts';
import { unjudgedFindings } from './unjudged.ts';

export type FitValues = ValuesOf<typeof fitOptions>;

export interface FitOptions extends Partial<Omit<FitValues, 'encoder' | 'method'>>, WorkOptions {
  /** An id, or a method of one's own, which is known by its id from then on (`registerMethod`). Default: `auto`. */
  method?: string | Method;
  /** A name, or an encoder that is loaded already (the caller closes it). */
  encoder?: string | Encoder;
  /** Told in one line what was chosen and why. */
  note?(line: string): void;
  /** Asks the person a yes/no question; without it no CLIP is offered. */
  ask?(question: string, signal: AbortSignal): Promise<boolean>;
  /** Values of the method's own options: `{ epochs: 50 }`. */
  options?: Readonly<Record<string, unknown>>;
  /** Told how far a training or search is, once the pictures are encoded. */
  onFit?(progress: FitProgress): void;
  /** A file that keeps a training's last full epoch; with `resume` the training goes on there. It is removed at the end. */
  checkpoint?: string;
  resume?: boolean;
  /** Told how far the download of an encoder is that is not on this machine yet. */
  onPull?(progress: PullProgress): void;
}

/**
 * Fits a classifier to labelled pictures: a folder, table or archive that `readDataset` reads, a data set read before, or a folder of
 * features (`readFeatureDump`).
 * Uses the `train` split where there is one, else every labelled picture; a seeded draw of `shots` per class where asked.
 * Throws `DataError` where fewer than two classes are left, `ModelError` where the encoder fails, `UsageError` for options.
 */
export async function fit(source: string | Dataset, options: FitOptions = {}): Promise<Classifier> {
  const {
    method = 'auto',
    encoder: wanted = 'auto',
    note,
    ask,
    onPull,
    signal,
    onProgress,
    onFit,
    ...rest
  } = options;
  const { checkpoint: path, resume, options: own, ...given } = rest;
  refuseUnknown(given, Object.keys(fitOptions));
  const values = resolveOptions(fitOptions, {
    ...given,
    method: typeof method === 'string' ? method : registerMethod(method).id,
    encoder: typeof wanted === 'string' ? wanted : wanted.id,
  });
  checkGiven({ ...values, options: own, resume, checkpoint: path });
  if (typeof wanted === 'string') await checkEncoderName(wanted);
  if (values.classes !== undefined && typeof source !== 'string') throw readAlready();
  const open = () => openEncoder(wanted, { note, ask, onPull, signal });
  const runtime = createRuntime(open, { lent: typeof wanted !== 'string' });
  try {
    const checkpoint = path === undefined ? undefined : fileCheckpoint(path, { resume });
    const watch = { signal, onProgress, onFit, checkpoint };
    const all = { ...values, options: own };
    const classifier =
      typeof source === 'string' && (await isFeatureDump(source))
        ? await fitFolderOfFeatures(source, all, wanted === 'auto' ? undefined : runtime, watch)
        : await fitDataset(
            typeof source === 'string'
              ? await readDataset(source, { classes: values.classes, signal })
              : source,
            all,
            runtime,
            watch,
          );
    if (!signal?.aborted) await checkpoint?.remove();
    return classifier;
  } catch (error) {
    await runtime.close();
    throw systemError(error) ?? error;
  }
}

function readAlready(): UsageError {
  return new UsageError('Option classes has no effect on data that are already read', {
    code: 'fit/classes',
    hint: 'Give it to readDataset, or give fit the path of the data.',
  });
}

/** Without an encoder the classifier is one for features. */
async function fitFolderOfFeatures(
  folder: string,
  values: FitValues & Pick<FitOptions, 'options'>,
  runtime: Runtime | undefined,
  watch: FitWatch,
): Promise<Classifier> {
  const { data, findings } = await fitFeatures(folder, values, await runtime?.encoder(), watch);
  const told = [...findings, ...promptFindings(data.method, values), ...unjudgedFindings(data)];
  return new Classifier(data, runtime ?? runtimeOf(data.encoder), told);
}

async function fitDataset(
  dataset: Dataset,
  values: FitValues & Pick<FitOptions, 'options'>,
  runtime: Runtime,
  { signal, onProgress, ...watch }: WorkOptions & FitWatch,
): Promise<Classifier> {
  const source = learnable(dataset);
  const drawn = drawExamples(source, values);
  const encoder = await runtime.encoder();
  const views = values.views > 1 ? Array.from({ length: values.views + 1 }, (_, view) => view) : [0];
  const encoded = await runtime.encode(drawn.examples, {
    views,
    seed: values.seed,
    exif: values.exif,
    signal,
    onProgress,
  });
  const isKept = (_: unknown, i: number) => !encoded.failed.has(i);
  const kept = drawn.examples.filter(isKept);
  const repeats = await findRepeats(dataset, kept, encoded);
  const support = supportOf(kept, encoded, repeats.groups, values.keys);
  checkClasses(dataset, support, encoded.failures);
  const validation =
    values.tune === 'val' || values.tune === 'paper'
      ? await encodeSplit(dataset, values.tune === 'val' ? 'val' : 'test', runtime, values, signal)
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
  const known = {
    classes: dataset.classes,
    templates,
    encoder: referenceTo(encoder),
    head: words.head,
    support,
    examples: await describeExamples(kept, encoded, values.thumbnails ? runtime : undefined),
    dataset: dataset.name,
  };
  const rows = { exact: encoded.features, validation };
  const data = await fitFresh(known, values, encoder, rows, { signal, ...watch });
  return new Classifier(data, runtime, [
    ...findings,
    ...promptFindings(data.method, values),
    ...unjudgedFindings(data),
  ]);
}

async function openEncoder(
  wanted: string | Encoder,
  { note, ask, onPull, signal }: Pick<FitOptions, 'note' | 'ask' | 'onPull' | 'signal'>,
): Promise<Encoder> {
  if (typeof wanted !== 'string') return wanted;
  const { name, reason } = await chooseEncoder(wanted, { interactive: ask !== undefined, ask, signal });
  note?.(reason);
  return loadEncoder(name, {
    confirm: async ({ id, bytes, licence }) => {
      const size = bytes === undefined ? '' : `${Math.round(bytes / 1e6)} MB, `;
      note?.(`Downloading ${id} (${size}licence ${licence})`);
      return true;
    },
    engine: sharedEngine(),
    onProgress: onPull,
    signal,
  });
}

function drawExamples(
  dataset: Dataset,
  { shots, seed }: FitValues,
): { indices: number[]; examples: Example[] } {
  const indices = sampleFewShot(dataset, { shots: shots ?? Number.POSITIVE_INFINITY, seed });
  return { indices, examples: indices.map((i) => dataset.examples[i]) };
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
    const unread = failures.length > 0;
    throw new DataError(
      unread
        ? `No picture in ${name} could be read (${count(failures.length, 'file')} tried)`
        : `${name} has no picture to learn from`,
      {
        code: 'fit/no-pictures',
        hint: unread
          ? `The first one: ${messageAbout(failures[0].id, failures[0].error.message)}.`
          : FOLDERS_HINT,
        details: { paths: failures.map(({ id }) => id) },
      },
    );
  }
  if (classes.length < 2) {
    throw new DataError(`A classifier needs two classes; ${name} has one: ${classes[0].name}`, {
      code: 'fit/one-class',
      hint: FOLDERS_HINT,
      details: { classes: classes.map((info) => info.id) },
    });
  }
}

const FOLDERS_HINT =
  'Put the pictures of each class into a folder of its own, such as photos/cat and photos/dog.';

/** The rows that constants are chosen on: the validation split, or for protocol `paper` the test split. */
async function encodeSplit(
  dataset: Dataset,
  split: 'val' | 'test',
  runtime: Runtime,
  { seed, exif }: FitValues,
  signal?: AbortSignal,
): Promise<Rows & { failures: EncodedImages['failures']; findings: Finding[] }> {
  const examples = dataset.examples.filter((example) => example.split === split && example.label >= 0);
  const { features, failures, failed } = await runtime.encode(examples, { views: [0], seed, exif, signal });
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
