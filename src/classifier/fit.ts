import { checkSource } from '../dataset/check-source.ts';
import { isFeatureDump } from '../dataset/feature-dump.ts';
import { readDataset } from '../dataset/read.ts';
import type { Dataset } from '../dataset/types.ts';
import { currentNames } from '../deprecation.ts';
import { checkedEncoder } from '../encoder/checked.ts';
import { chooseEncoder } from '../encoder/choose.ts';
import { checkEncoderName, loadEncoder } from '../encoder/load.ts';
import type { PullProgress } from '../encoder/pull.ts';
import type { Encoder } from '../encoder/types.ts';
import { sharedEngine } from '../engine/node.ts';
import { UsageError } from '../errors.ts';
import type { Method } from '../methods/method.ts';
import { registerMethod } from '../methods/registry.ts';
import type { FitProgress } from '../methods/task.ts';
import { refuseUnknown, resolveOptions } from '../options.ts';
import { systemError } from '../system-error.ts';
import { Classifier } from './classifier.ts';
import { openSession, sessionFor } from './encoder-session.ts';
import { prepareFeatures } from './features.ts';
import { unevaluatedFindings } from './fit-findings.ts';
import { type FitValues, fitOptions } from './fit-options.ts';
import { preparePictures } from './fit-pictures.ts';
import { checkGiven, promptFindings } from './given.ts';
import { learn } from './learn.ts';
import { fileCheckpoint } from './training-checkpoint.ts';
import type { WorkOptions } from './types.ts';

/** What `fit` can be told: the values of `fitOptions`, a method or an encoder as an object, and who is told of the progress. */
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
  const { checkpoint: path, resume, options: own, ...general } = rest;
  const given = currentNames(fitOptions, general);
  refuseUnknown(given, Object.keys(fitOptions));
  const values = resolveOptions(fitOptions, {
    ...given,
    method: typeof method === 'string' ? method : registerMethod(method).id,
    encoder: typeof wanted === 'string' ? wanted : checkedEncoder(wanted).id,
  });
  checkGiven({ ...values, options: own, resume, checkpoint: path });
  if (typeof wanted === 'string') await checkEncoderName(wanted);
  checkSource(source);
  if (values.classes !== undefined && typeof source !== 'string') throw readAlready();
  const open = () => openEncoder(wanted, { note, ask, onPull, signal });
  const session = openSession(open, { lent: typeof wanted !== 'string' });
  try {
    const checkpoint = path === undefined ? undefined : fileCheckpoint(path, { resume });
    const isFeatures = typeof source === 'string' && (await isFeatureDump(source));
    // A classifier of features is one for features, unless an encoder is named.
    const used = isFeatures && wanted === 'auto' ? undefined : session;
    const { classes } = values;
    const { known, encoder, rows, findings } = isFeatures
      ? await prepareFeatures(source, values, await used?.encoder(), { signal })
      : await preparePictures(
          typeof source === 'string' ? await readDataset(source, { classes, signal }) : source,
          values,
          session,
          { signal, onProgress },
        );
    const watch = { signal, onFit, checkpoint };
    const data = await learn(known, { ...values, options: own }, encoder, rows, watch);
    if (!signal?.aborted) await checkpoint?.remove();
    const told = [...findings, ...promptFindings(data.method, values), ...unevaluatedFindings(data)];
    return new Classifier(data, used ?? sessionFor(data.encoder), told);
  } catch (error) {
    await session.close();
    throw systemError(error) ?? error;
  }
}

function readAlready(): UsageError {
  return new UsageError('Option classes has no effect on data that are already read', {
    code: 'fit/classes',
    hint: 'Give it to readDataset, or give fit the path of the data.',
  });
}

/** Opens the encoder that `fit` would use; an object is handed on. The choice and a download are told to `note`. */
export async function openEncoder(
  wanted: string | Encoder,
  { note, ask, onPull, signal }: Pick<FitOptions, 'note' | 'ask' | 'onPull' | 'signal'> = {},
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
