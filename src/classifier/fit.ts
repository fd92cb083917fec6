import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { checkSource } from '../dataset/check-source.ts';
import { isFeatureDump } from '../dataset/feature-dump.ts';
import { readDataset } from '../dataset/read.ts';
import { storedInfo } from '../dataset/stored-info.ts';
import type { Dataset, Finding } from '../dataset/types.ts';
import { currentNames } from '../deprecation.ts';
import { checkedEncoder } from '../encoder/checked.ts';
import { chooseEncoder } from '../encoder/choose.ts';
import type { ClipPart } from '../encoder/clip-parts.ts';
import { checkEncoderName, loadEncoder } from '../encoder/load.ts';
import { withSuffix } from '../encoder/pre-projection.ts';
import type { PullProgress } from '../encoder/pull.ts';
import { registeredEncoder } from '../encoder/registered.ts';
import type { Encoder } from '../encoder/types.ts';
import { sharedEngine } from '../engine/shared.ts';
import { UsageError } from '../errors.ts';
import { methodById } from '../methods/list.ts';
import type { Method } from '../methods/method.ts';
import { registerMethod } from '../methods/registry.ts';
import type { FitProgress } from '../methods/task.ts';
import { refuseUnknown, resolveOptions } from '../options.ts';
import { isStoreAddress } from '../store/store-address.ts';
import { systemError } from '../system-error.ts';
import { autoReject, rejectFinding } from './auto-reject.ts';
import { balanceFinding } from './balance.ts';
import { Classifier } from './classifier.ts';
import { openSession, sessionFor } from './encoder-session.ts';
import { prepareFeatures } from './features.ts';
import { fineTunedFindings } from './fine-tuned-on.ts';
import { chanceFindings, remarkFindings, unevaluatedFindings } from './fit-findings.ts';
import { type FitValues, fitOptions } from './fit-options.ts';
import { preparePictures } from './fit-pictures.ts';
import { fitBySummary } from './fit-summary.ts';
import { askedFor, checkGiven, promptFindings } from './given.ts';
import { weighPictures } from './joined-weights.ts';
import { learn, type Prepared, partsOf } from './learn.ts';
import type { LeftOutOptions } from './left-out.ts';
import type { SumRows } from './row-sums.ts';
import { fileCheckpoint } from './training-checkpoint.ts';
import type { ClassifierData, WorkOptions } from './types.ts';

/** Options of `fit`: the values of `fitOptions`, a method or an encoder as an object, and callbacks for progress. */
export interface FitOptions extends Partial<Omit<FitValues, 'encoder' | 'method'>>, WorkOptions {
  /** The id of a method, or a method of your own, which is then registered under its id (`registerMethod`). Default: `auto`. */
  method?: string | Method;
  /** A name, or a loaded encoder, which the caller closes. Default: `auto`. */
  encoder?: string | Encoder;
  /** Called with one line about each choice (encoder, method) and its reason. */
  note?(line: string): void;
  /** Asks the user a yes/no question. Without it no download of CLIP is offered. */
  ask?(question: string, signal: AbortSignal, preset: boolean): Promise<boolean>;
  /** Values of the method's own options: `{ epochs: 50 }`. */
  options?: Readonly<Record<string, unknown>>;
  /** Called with the progress of a training or search, after the pictures are encoded. */
  onFit?(progress: FitProgress): void;
  /** Path of a file that keeps a training's last full epoch. With `resume`, training continues from it. It is removed at the end. */
  checkpoint?: string;
  resume?: boolean;
  /** With `summary`: sums up the rows in place of this process. `sumRowsOn` returns such a function for a queue. */
  sumRows?: SumRows;
  /** Called with the progress of the download, if the encoder is not on this machine. */
  onPull?(progress: PullProgress): void;
}

/** `fit` of the package. */
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
  const { checkpoint: path, resume, options: methodOptions, sumRows, ...general } = rest;
  const given = currentNames(fitOptions, general);
  refuseUnknown(given, Object.keys(fitOptions));
  const values = resolveOptions(fitOptions, {
    ...given,
    method: typeof method === 'string' ? method : registerMethod(method).id,
    encoder: typeof wanted === 'string' ? wanted : checkedEncoder(wanted).id,
  });
  checkGiven({ ...values, options: methodOptions, resume, checkpoint: path });
  if (typeof wanted === 'string') await checkEncoderName(wanted);
  checkSource(source);
  if (values.classes !== undefined && typeof source !== 'string') throw readAlready();
  if (sumRows && !values.summary) throw sumsWithoutSummary();
  /** The encoder of stored features, if the data are such and no other is wanted. */
  let own: string | undefined;
  const { id } = askedFor({ ...values, options: methodOptions });
  const parts = id === 'auto' ? [] : partsOf(methodById(id));
  const open = () => openEncoder(own ?? wanted, { note, ask, onPull, signal, parts });
  const session = openSession(open, { lent: typeof wanted !== 'string' });
  try {
    if (values.summary) {
      const folder = await summaryFolder(source);
      if (wanted === 'auto') own = (await storedInfo(folder))?.model;
      const used = wanted === 'auto' && own === undefined ? undefined : session;
      const all = { ...values, options: methodOptions };
      const { data, findings } = await fitBySummary(folder, all, await used?.encoder(), {
        ...{ signal, onFit, sumRows },
      });
      const told = { findings: [...findings, ...chanceFindings(data), ...remarkFindings(data)], unread: [] };
      return new Classifier(data, used ?? sessionFor(data.encoder), told);
    }
    const checkpoint = path === undefined ? undefined : fileCheckpoint(path, { resume });
    const isFeatures = typeof source === 'string' && (await isFeatureDump(source));
    // A classifier fitted to features takes features, unless an encoder is named.
    const used = isFeatures && wanted === 'auto' ? undefined : session;
    const { classes } = values;
    const pictures = async (): Promise<Prepared> => {
      const dataset = typeof source === 'string' ? await readDataset(source, { classes, signal }) : source;
      if (wanted === 'auto') own = dataset.encoder;
      const encoded = await preparePictures(dataset, values, session, { signal, onProgress });
      return weighPictures(encoded, values, session, signal);
    };
    const { known, encoder, rows, findings, unread } = isFeatures
      ? await prepareFeatures(source, values, await used?.encoder(), { signal })
      : await pictures();
    const watch = { signal, onFit, checkpoint };
    const learnt = await learn(known, { ...values, options: methodOptions }, encoder, rows, watch);
    if (!signal?.aborted) await checkpoint?.remove();
    const { reject, said } = await rejectOf(learnt, values.reject, { ...used, signal });
    const { interrupted } = checkpoint ?? {};
    const data = { ...learnt, reject, ...(interrupted && { interrupted }) };
    const told = [
      ...findings,
      ...said,
      ...(values.balance ? [balanceFinding(data)] : []),
      ...promptFindings(data.method, values),
      ...unevaluatedFindings(data),
      ...chanceFindings(data),
      ...fineTunedFindings(data.tuning),
      ...remarkFindings(data),
    ];
    return new Classifier(data, used ?? sessionFor(data.encoder), { findings: told, unread });
  } catch (error) {
    await session.close();
    throw systemError(error) ?? error;
  }
}

/** The requested rejection threshold, with a finding if a rule chooses it. */
async function rejectOf(
  data: ClassifierData,
  wanted: FitValues['reject'],
  options: LeftOutOptions,
): Promise<{ reject: number; said: Finding[] }> {
  if (wanted !== 'auto') return { reject: wanted, said: [] };
  // A training that was interrupted is kept as it is.
  const found = options.signal?.aborted ? undefined : await autoReject(data, options);
  return { reject: found ?? 0, said: [rejectFinding(found, data)] };
}

/** The folder of features that a summary is made of. Throws `UsageError` for any other source. */
async function summaryFolder(source: string | Dataset): Promise<string> {
  if (typeof source === 'string' && existsSync(join(source, 'info.json'))) return source;
  if (typeof source === 'string' && isStoreAddress(source) && (await storedInfo(source))) return source;
  throw new UsageError('Option summary needs a folder of features', {
    code: 'fit/summary-source',
    hint: 'Compute the features of the pictures first, or leave out the option summary. The address of a folder in a store ends with a slash.',
  });
}

function sumsWithoutSummary(): UsageError {
  return new UsageError('Option sumRows has no effect without summary', {
    code: 'option/no-effect',
    hint: 'Give summary too.',
    details: { option: 'sumRows' },
  });
}

function readAlready(): UsageError {
  return new UsageError('Option classes has no effect on a data set that is already read', {
    code: 'fit/classes',
    hint: 'Give it to readDataset, or give fit the path of the data.',
  });
}

/** Options of `openEncoder`: `parts` of the encoder that the method learns from. */
type OpenOptions = Pick<FitOptions, 'note' | 'ask' | 'onPull' | 'signal'> & {
  readonly parts?: readonly ClipPart[];
};

/**
 * Opens the encoder that `fit` uses. An object is returned unchanged. If the method learns the projection, the features before it are added to
 * an encoder that is given by its name, unless the program registered it. `note` gets a line about the choice and a download.
 */
export async function openEncoder(
  wanted: string | Encoder,
  { note, ask, onPull, signal, parts = [] }: OpenOptions = {},
): Promise<Encoder> {
  if (typeof wanted !== 'string') return wanted;
  const { name, reason } = await chooseEncoder(wanted, { ask, signal, parts });
  note?.(reason);
  return openChosen(name, { note, onPull, signal, parts });
}

/** Opens an encoder that was chosen, and downloads it if it is not on this machine. */
export async function openChosen(
  name: string,
  { note, onPull, signal, parts = [] }: Omit<OpenOptions, 'ask'>,
): Promise<Encoder> {
  const widened = parts.includes('projection') && !registeredEncoder(name);
  return loadEncoder(widened ? withSuffix(name) : name, {
    fromWeights: parts.length > 0,
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
