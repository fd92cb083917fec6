import type { Abortable } from '../abort.ts';
import { openSession } from '../classifier/encoder-session.ts';
import { openEncoder } from '../classifier/fit.ts';
import { checkSource } from '../dataset/check-source.ts';
import { info } from '../dataset/findings.ts';
import { listPictures } from '../dataset/pictures.ts';
import { type ReadOptions, readDataset } from '../dataset/read.ts';
import { partReading, type ReadValues } from '../dataset/read-options.ts';
import type { Dataset, Example } from '../dataset/types.ts';
import { checkedEncoder } from '../encoder/checked.ts';
import { withEqualWeights } from '../encoder/joined.ts';
import { checkEncoderName } from '../encoder/load.ts';
import type { PullProgress } from '../encoder/pull.ts';
import type { Encoder } from '../encoder/types.ts';
import { UsageError } from '../errors.ts';
import { resolveOptions } from '../options.ts';
import type { PictureStore } from '../store/object-store.ts';
import { openStore } from '../store/open-store.ts';
import { isHubData, isStreamed } from '../store/store-address.ts';
import { count } from '../words.ts';
import type { EmbedDescription } from './descriptions.ts';
import { checkUnlabelled, type EmbedValues, embedOptions } from './embed-options.ts';
import { embedWork } from './embed-work.ts';
import { localQueue } from './local-queue.ts';
import { placeOf } from './places.ts';
import { runWork, submitWork } from './run-work.ts';
import { openPictures, storeSource } from './store-source.ts';
import type { Queue, RunProgress, RunSummary, Work } from './work.ts';

/** Options of `embed`: the values of `embedOptions`, those that say how data are read, and callbacks. */
export interface EmbedOptions extends Abortable, Partial<Omit<EmbedValues, 'encoder'>>, Partial<ReadValues> {
  /** The folder to write. It must be new or empty, or hold the result of an earlier run, which is then continued or replaced. */
  output: string;
  /** A name, or a loaded encoder, which the caller closes. Default: `auto`. */
  encoder?: string | Encoder;
  /** Path of a file that names the classes, as for `readDataset`. */
  classes?: string;
  /** The queue that does the shards (default: this process). */
  queue?: Queue;
  /** Called with one line about the choice of the encoder. */
  note?(line: string): void;
  /** Asks the user a yes/no question. Without it no download of CLIP is offered. */
  ask?(question: string, signal: AbortSignal): Promise<boolean>;
  onPull?(progress: PullProgress): void;
  onProgress?(progress: RunProgress): void;
}

/** The result of `embed`. */
export interface EmbedSummary extends RunSummary {
  /** Id of the encoder, and the dimension of its features. */
  readonly encoder: string;
  readonly dimension: number;
  /** Whether an earlier run had written all of it. */
  readonly before: boolean;
  /** Number of objects of a store that were left out, because they are neither pictures nor archives. 0 for other sources. */
  readonly leftOut: number;
}

/** `embed` of the package. */
export async function embed(source: string | Dataset, options: EmbedOptions): Promise<EmbedSummary> {
  const { signal, onProgress, queue = localQueue } = options;
  const { work, encoder } = await openEmbed(source, options);
  try {
    const summary = await runWork(work, queue, { signal, onProgress });
    return { ...summary, encoder: encoder.id, dimension: encoder.dimension };
  } finally {
    await work.close();
  }
}

/**
 * Has workers do the same as `embed`, without waiting for them: `queue` only adds the shards. Returns the name of the run, by which `openJobs`
 * shows it, and whether an earlier run has already written everything.
 */
export async function submitEmbed(
  source: string | Dataset,
  { queue, ...options }: EmbedOptions & Required<Pick<EmbedOptions, 'queue'>>,
): Promise<{ run: string; before: boolean; leftOut: number }> {
  const { signal, onProgress } = options;
  const { work } = await openEmbed(source, options);
  try {
    return await submitWork(work, queue, { signal, onProgress });
  } finally {
    await work.close();
  }
}

/**
 * The work of `embed`, and its open encoder, which the work closes.
 */
export async function openEmbed(
  source: string | Dataset,
  options: EmbedOptions,
): Promise<{ work: Work; encoder: Encoder }> {
  const { output, encoder: wanted = 'auto', classes, note, ask, onPull, signal, ...given } = options;
  const { onProgress: _, queue: __, ...unwatched } = given;
  const { reading: how, rest } = partReading(unwatched);
  const values = resolveOptions(embedOptions, {
    ...rest,
    encoder: typeof wanted === 'string' ? wanted : checkedEncoder(wanted).id,
  });
  if (typeof wanted === 'string') await checkEncoderName(wanted);
  checkSource(source);
  if (values.unlabelled) checkUnlabelled(source, { ...how, classes });
  const target = openStore(output);
  const { format: storage, dtype, exif, unlabelled } = values;
  if (!storage.startsWith('parquet') && output.includes('://')) throw localTables(output, storage);
  const pictures =
    unlabelled && isStreamed(source) ? await openPictures(source, { signal, note }) : undefined;
  const dataset = pictures
    ? emptyData(pictures)
    : typeof source === 'string'
      ? await dataOf(source, { ...how, classes, unlabelled, signal, note })
      : source;
  const name = wanted === 'auto' ? (dataset.encoder ?? 'auto') : wanted;
  const open = async () => withEqualWeights(await openEncoder(name, { note, ask, onPull, signal }));
  const session = openSession(open, { lent: typeof wanted !== 'string' });
  try {
    const encoder = await session.encoder();
    checkSize(dataset, encoder, values);
    const description: EmbedDescription = {
      ...{
        kind: 'embed',
        source: placeOf(typeof source === 'string' && !isHubData(source) ? source : dataset.root),
        reading: how,
        ...(classes !== undefined && { classes: placeOf(classes) }),
        output: placeOf(output),
      },
      ...{ encoder: encoder.id, fingerprint: encoder.fingerprint, format: storage, dtype, exif, unlabelled },
    };
    const listed = pictures ? { source: storeSource(pictures) } : {};
    const settings = { dataset, ...listed, session, encoder, target, storage, dtype, exif, description };
    return { work: embedWork(settings), encoder };
  } catch (error) {
    await session.close();
    throw error;
  }
}

/** The data set of the pictures in a store, which are listed when they are needed. */
function emptyData({ address: root }: PictureStore): Dataset {
  return { name: root, root, classes: [], examples: [], findings: [] };
}

/** The data set at a path, with its classes or without. */
function dataOf(
  source: string,
  { unlabelled, followLinks, zipEncoding, ...rest }: ReadOptions & { unlabelled: boolean },
): Promise<Dataset> {
  const listing = { followLinks, zipEncoding };
  return unlabelled
    ? unlabelledData(source, { ...listing, signal: rest.signal })
    : readDataset(source, { ...listing, ...rest });
}

/** The pictures of a folder or archive without classes. */
export async function unlabelledData(
  source: string,
  options: Parameters<typeof listPictures>[1],
): Promise<Dataset> {
  const { pictures, findings, unreadable, name, root } = await listPictures(source, options);
  const examples = pictures.map((file): Example => {
    const { path: id, absolute: path, within } = file;
    return { id, label: -1, ...(path && { path }), ...(within && { within }), read: () => file.read() };
  });
  const found = info('found', `${count(examples.length, 'picture')}, without classes.`);
  return { name, root, classes: [], examples, unreadable, findings: [found, ...findings] };
}

function localTables(output: string, format: string): UsageError {
  return new UsageError(
    `Features in the format ${format} can be written into a local folder only, not to ${output}`,
    {
      code: 'embed/format',
      hint: 'Give --format parquet.',
    },
  );
}

/** Largest size of a table that is read back. */
const LARGEST = 2 ** 31 - 1;

function checkSize({ examples }: Dataset, { dimension }: Encoder, { format, dtype }: EmbedValues): void {
  const bytes = examples.length * dimension * (dtype === 'float16' ? 2 : 4);
  if (format.startsWith('parquet') || bytes <= LARGEST) return;
  throw new UsageError(
    `${count(examples.length, 'picture')} have ${count(bytes, 'byte')} of features, more than a table of ${count(LARGEST, 'byte')} holds`,
    { code: 'embed/too-large', hint: 'Give --format parquet, which writes many smaller files.' },
  );
}
