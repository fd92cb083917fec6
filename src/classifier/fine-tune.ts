import { stat } from 'node:fs/promises';
import { isFeatureDump } from '../dataset/feature-dump.ts';
import { sampleFewShot, shortClasses } from '../dataset/few-shot.ts';
import { readDataset } from '../dataset/read.ts';
import { learnable } from '../dataset/split.ts';
import type { ClassInfo, Dataset, Example, Finding } from '../dataset/types.ts';
import { ahead } from '../encoder/ahead.ts';
import { chooseEncoder } from '../encoder/choose.ts';
import { failureOf } from '../encoder/encode.ts';
import { encoderOf } from '../encoder/encoder-of.ts';
import { fineTuneEncoder, type LabelledPicture, trainable } from '../encoder/fine-tune.ts';
import { checkEmptyFolder, checkOutside } from '../encoder/fine-tuned-folder.ts';
import type { LocalEncoder } from '../encoder/installed.ts';
import { checkEncoderName, locateEncoder } from '../encoder/load.ts';
import { withoutSuffix } from '../encoder/pre-projection.ts';
import { checkTemplate, misreadPrompts, renderPrompt } from '../encoder/prompts.ts';
import type { PullProgress } from '../encoder/pull.ts';
import type { FineTuning } from '../encoder/record.ts';
import { sharedEngine } from '../engine/shared.ts';
import { DataError, InterruptedError, UsageError } from '../errors.ts';
import { createImageLoader, type ImageLoader } from '../image/loader.ts';
import type { Preprocessing } from '../image/types.ts';
import { countByClass, type FitProgress } from '../methods/task.ts';
import { refuseUnknown, resolveOptions } from '../options.ts';
import { sha256 } from '../sha256.ts';
import { unlessMissing } from '../store/regular.ts';
import { systemError } from '../system-error.ts';
import { count } from '../words.ts';
import { promptFindings } from './class-texts.ts';
import { type FineTuneOptionValues, fineTuneOptions } from './fine-tune-options.ts';
import { emptiedClasses, unreadable } from './fit-findings.ts';
import { checkPictures, checkTwoClasses } from './fit-pictures.ts';
import { fileCheckpoint } from './training-checkpoint.ts';
import type { Failure, WorkOptions } from './types.ts';
import { unencoded, unlisted } from './unread.ts';

/** Options of `fineTune`: the values of `fineTuneOptions`, where to write, and callbacks. */
export interface FineTuneOptions extends Partial<FineTuneOptionValues>, WorkOptions {
  /** The folder to write, a new or empty one. */
  output: string;
  /**
   * Path of a file outside of `output` that keeps the state of the training. With `resume`, the training continues from it. It is removed at
   * the end.
   */
  checkpoint?: string;
  resume?: boolean;
  /** Called with one line about the choice of the encoder. */
  note?(line: string): void;
  /** Called before the first step with what will be learnt, and with findings about it. */
  onPlan?(plan: FineTunePlan): void;
  /** Called after each step. */
  onStep?(progress: FitProgress): void;
  /** Called with the progress of the download, if the encoder is not on this machine. */
  onPull?(progress: PullProgress): void;
}

/** The amount of work of a fine-tuning: numbers of classes, pictures and steps, and the pictures of a step. */
export interface FineTunePlan {
  readonly encoder: string;
  readonly classes: number;
  readonly pictures: number;
  readonly steps: number;
  readonly batch: number;
  readonly findings: readonly Finding[];
}

/** An encoder that was fine-tuned and written. */
export interface FineTuned extends Omit<FineTunePlan, 'encoder'> {
  readonly folder: string;
  readonly fingerprint: string;
  readonly licence: string;
  /** The encoder that it was made of. */
  readonly parent: FineTuning['parent'];
  /** Pictures, files and folders that could not be read. */
  readonly unread: readonly Failure[];
}

/** The published number of steps: 500 for each shot, at 16 shots at most. */
const STEPS_OF_SHOT = 500;
const MOST_SHOTS = 16;

/** `fineTune` of the package. */
export async function fineTune(source: string | Dataset, given: FineTuneOptions): Promise<FineTuned> {
  const {
    output,
    checkpoint: path,
    resume,
    note,
    onPlan,
    onStep,
    onPull,
    signal,
    onProgress,
    ...rest
  } = given;
  refuseUnknown(rest, Object.keys(fineTuneOptions));
  const values = resolveOptions(fineTuneOptions, rest);
  if (values.template !== undefined) checkTemplate(values.template);
  await checkEmptyFolder(output);
  if (path !== undefined) {
    checkOutside(output, path);
    if (!resume) await refuseInterrupted(path);
  }
  await checkEncoderName(values.encoder);
  const dataset = typeof source === 'string' ? await readPictures(source, values, signal) : source;
  checkTwoClasses(dataset);
  const taught = learnable(dataset);
  const shots = values.shots ?? Number.POSITIVE_INFINITY;
  const drawn = sampleFewShot(taught, { shots, seed: values.seed }).map((i) => taught.examples[i]!);
  const parent = await parentOf(values.encoder, { note, onPull, signal });
  const record = trainable(parent);
  const loader = createImageLoader();
  const encoder = await encoderOf(record, parent.folder, sharedEngine());
  try {
    const template = values.template ?? record.defaults.template;
    const prompts = dataset.classes.map(({ promptName }) => renderPrompt(template, promptName));
    const read = await readAll(drawn, loader, record.preprocessing, values, { signal, onProgress });
    checkPictures(dataset, read.kept, read.failures);
    const { classes } = dataset;
    const labels = read.kept.map(({ label }) => label);
    const largest = Math.max(...countByClass(labels, classes.length));
    const steps = values.steps ?? STEPS_OF_SHOT * Math.min(MOST_SHOTS, largest);
    const plan: FineTunePlan = {
      encoder: record.id,
      classes: classes.length,
      pictures: read.kept.length,
      steps,
      batch: Math.min(values.batch, read.kept.length),
      findings: [
        ...taught.findings,
        ...shortClasses(classes, drawn, shots),
        ...unreadable('fit/unreadable', read.failures),
        ...emptiedClasses(classes, drawn, read.kept, {
          code: 'fit/emptied-class',
          consequence: 'only the name of such a class is learnt from',
        }),
        ...unusedPrompts(classes),
        ...promptFindings(await misreadPrompts(encoder, prompts), record.id),
      ],
    };
    onPlan?.(plan);
    const checkpoint = path === undefined ? undefined : fileCheckpoint(path, { resume });
    const how = { ...values, steps, template };
    const engine = sharedEngine();
    const work = { engine, loader, checkpoint, signal, onStep };
    const made = await fineTuneEncoder(parent, read.kept, prompts, output, how, work);
    await checkpoint?.remove();
    return {
      ...plan,
      folder: made.folder,
      fingerprint: made.record.fingerprint,
      licence: made.record.licence,
      parent: made.fineTuned.parent,
      unread: [...unlisted(dataset, (one) => one === 'train'), ...unencoded(read.failures)],
    };
  } catch (error) {
    if (error instanceof InterruptedError && error.hint === undefined)
      throw new InterruptedError('Interrupted before the first step', {
        hint: 'Run the same command again.',
      });
    throw systemError(error) ?? error;
  } finally {
    await Promise.all([encoder.close(), loader.close()]);
  }
}

/** Throws `UsageError` if there is an interrupted training, whose hours would be lost. */
async function refuseInterrupted(path: string): Promise<void> {
  if (!(await stat(path).catch(unlessMissing))) return;
  throw new UsageError(
    `${path} keeps an interrupted training, which a training from the beginning would replace`,
    {
      code: 'fine-tune/interrupted',
      hint: 'To continue it, add --resume (in a program resume). To train from the beginning, remove the file.',
      details: { path },
    },
  );
}

/** Warns of prompts of single classes, which `fit` takes beside the template's. */
function unusedPrompts(classes: readonly ClassInfo[]): Finding[] {
  const paths = classes.flatMap(({ name, prompts }) => (prompts.length > 0 ? [name] : []));
  if (paths.length === 0) return [];
  const message = `Further prompts of ${count(paths.length, 'class', 'classes')} are not learnt from. The text of each class is its name in the template`;
  return [{ level: 'warning', code: 'fine-tune/prompts', message, paths }];
}

async function readPictures(
  source: string,
  { classes }: Pick<FineTuneOptionValues, 'classes'>,
  signal?: AbortSignal,
): Promise<Dataset> {
  if (!(await isFeatureDump(source))) return readDataset(source, { classes, signal });
  throw new UsageError(`${source} holds features, and an encoder learns from pictures`, {
    code: 'fine-tune/features',
    hint: 'Give the pictures.',
  });
}

/** The files of the encoder to start from. */
async function parentOf(
  wanted: string,
  { note, onPull, signal }: Pick<FineTuneOptions, 'note' | 'onPull' | 'signal'>,
): Promise<LocalEncoder> {
  const { name, reason } = await chooseEncoder(wanted, { signal, parts: ['text-tower'] });
  note?.(reason);
  return locateEncoder(withoutSuffix(name) ?? name, { fromWeights: true, onProgress: onPull, signal });
}

/** Pictures whose bytes are in memory at a time. */
const READ_AHEAD = 4;

/** Reads and decodes every picture once, so that the training meets none that cannot be read. */
async function readAll(
  examples: readonly Example[],
  loader: ImageLoader,
  spec: Preprocessing,
  { exif }: Pick<FineTuneOptionValues, 'exif'>,
  { signal, onProgress }: WorkOptions,
) {
  const read = async ([item, image]: [number, Example]) => {
    try {
      const bytes = await image.read();
      await loader.load(bytes, { spec, views: [0], seed: 0, exif }, { signal });
      const hash = sha256(bytes);
      const readAgain = async () => {
        const again = await image.read();
        if (sha256(again) === hash) return again;
        throw new DataError(`${image.id} was changed while the encoder learnt from it`, {
          code: 'fine-tune/picture',
          hint: 'Put the former picture back and add --resume, or remove the kept training and begin again.',
          details: { id: image.id },
        });
      };
      return { ...image, read: readAgain, sha256: hash };
    } catch (error) {
      return failureOf({ item, image }, error);
    }
  };
  const kept: (Example & LabelledPicture)[] = [];
  const failures: ReturnType<typeof failureOf>[] = [];
  for await (const one of ahead(examples.entries(), read, READ_AHEAD)) {
    if ('error' in one) failures.push(one);
    else kept.push(one);
    onProgress?.({ done: kept.length + failures.length, total: examples.length, cached: 0 });
  }
  return { kept, failures };
}
