/**
 * tip-adapter: a handful of labelled pictures in, a classifier out.
 *
 * ```ts
 * import { fit } from 'tip-adapter';
 *
 * const classifier = await fit('photos/');           // photos/cat/*.jpg, photos/dog/*.jpg, …
 * await classifier.save('pets.safetensors');
 * const { predictions } = await classifier.predict(['new.jpg']);
 * console.log(predictions[0].name, predictions[0].probability);
 * await classifier.close();
 * ```
 */
import type { Abortable } from './abort.ts';
import type {
  Classifier,
  FineTuned,
  FineTuneOptions,
  FitOptions,
  LoadOptions,
  SumRows,
} from './classifier/index.ts';
import type { ReadOptions } from './dataset/read.ts';
import type { Dataset } from './dataset/types.ts';
import type { LoadOptions as LoadEncoderOptions } from './encoder/load.ts';
import type { Encoder } from './encoder/types.ts';
import type {
  BullQueueOptions,
  EmbedOptions,
  EmbedSummary,
  EmbedTextsOptions,
  Queue,
} from './scale/index.ts';

export { isFailure } from './classifier/failure.ts';
export { fineTuneOptions } from './classifier/fine-tune-options.ts';
export { fitOptions } from './classifier/fit-options.ts';
export type * from './classifier/index.ts';
export type { Dataset } from './dataset/types.ts';
export type { Encoder, StoredFeature } from './encoder/types.ts';
export {
  DataError,
  type ErrorOptions,
  InterruptedError,
  ModelError,
  TipAdapterError,
  UsageError,
} from './errors.ts';
export { embedOptions } from './scale/embed-options.ts';
export type {
  BullQueueOptions,
  EmbedOptions,
  EmbedSummary,
  EmbedTextsOptions,
  EmbedValues,
  Json,
  Queue,
  RedisSettings,
  RunProgress,
  RunSummary,
  Shard,
  ShardOutcome,
  Work,
  WorkDescription,
} from './scale/index.ts';

// Each function imports its modules when it is called, so that importing the package is fast.

/**
 * Returns a classifier fitted to labelled pictures. `source` is the path of a data set (see `readDataset`) or of a folder of features,
 * or a data set that `readDataset` returned. `fit` uses the `train` split, or every labelled picture if there is none, and with `shots`
 * a seeded draw from it. Throws `DataError` if fewer than two classes are left, `ModelError` if the encoder is missing or fails, and
 * `UsageError` for a wrong option.
 */
export async function fit(source: string | Dataset, options: FitOptions = {}): Promise<Classifier> {
  const work = await import('./classifier/fit.ts');
  return work.fit(source, options);
}

/**
 * Fine-tunes a CLIP from weights on labelled pictures by CLIP-LoRA, and writes the encoder with the changed weights into the folder
 * `output`. The path of this folder is then the name of an encoder like any other: `fit` with `method: 'zero-shot'` makes a classifier of
 * it. Every step computes the towers of a batch of pictures and of all class names, forward and backward, which takes hours for the
 * published number of steps. Returns the folder, the encoder that it was made of and its licence. Throws `ModelError` for an encoder that
 * is not built from weights, `UsageError` for a folder that is not empty or a wrong option, `DataError` if there is nothing to learn from,
 * and `InterruptedError` that says how many steps are kept.
 */
export async function fineTune(source: string | Dataset, options: FineTuneOptions): Promise<FineTuned> {
  const work = await import('./classifier/fine-tune.ts');
  return work.fineTune(source, options);
}

/**
 * Reads a saved classifier, given by its path or by its repository on the hub (`hf:owner/name[@revision]`, which is downloaded once). Its
 * encoder is opened when it is first needed. Throws `ModelError` if the file is missing or damaged. The first picture throws `ModelError` if
 * the encoder is not on this machine or is not the one of the fit (the message names both).
 */
export async function load(path: string, options: LoadOptions = {}): Promise<Classifier> {
  const work = await import('./classifier/classifier.ts');
  return work.load(path, options);
}

/** Reads a data set of labelled pictures: `readDataset` of `tip-adapter/dataset`, which says what is read and what it throws. */
export async function readDataset(source: string, options: ReadOptions = {}): Promise<Dataset> {
  const work = await import('./dataset/read.ts');
  return work.readDataset(source, options);
}

/** Opens an encoder, and downloads it first if it is not on disk: `loadEncoder` of `tip-adapter/encoder`. */
export async function loadEncoder(
  name: string,
  options: LoadEncoderOptions = {},
): Promise<Encoder & AsyncDisposable> {
  const work = await import('./encoder/load.ts');
  return work.loadEncoder(name, options);
}

/**
 * Computes the features of pictures and writes them into a folder, from which `fit`, `evaluate` and `readDataset` read them like the
 * pictures. `source` is the path of a data set (see `readDataset`) or a data set that was read. The work is done in parts of about 2,000
 * pictures; a call that was interrupted continues with the parts that are missing. Pictures that cannot be read are listed in
 * failures.csv and counted in the result. Throws `DataError` for unreadable data, `ModelError` for the encoder, and `UsageError` for a
 * wrong option or a folder that holds other files.
 */
export async function embed(source: string | Dataset, options: EmbedOptions): Promise<EmbedSummary> {
  const work = await import('./scale/embed.ts');
  return work.embed(source, options);
}

/**
 * Computes the features of texts with the text tower of an encoder, and writes them into a folder: `texts.npy` (or `.safetensors`) with
 * `texts.csv`, or `texts.parquet`, and `info.json` with the encoder. Returns the encoder's id and the dimension of its features.
 */
export async function embedTexts(
  texts: readonly string[],
  options: EmbedTextsOptions,
): Promise<{ encoder: string; dimension: number; texts: number }> {
  const work = await import('./scale/embed-texts.ts');
  return work.embedTexts(texts, options);
}

/**
 * Has workers do the shards of a run, on Redis (BullMQ). Only a window of shards is in Redis at a time. The store shows which shards are
 * done: if Redis loses everything, the missing shards are added again. A shard that failed three times is set aside, and `run` ends with
 * `DataError` `queue/set-aside` when all others are done. Throws the errors of `connectRedis`.
 */
export async function openBullQueue(
  address: string,
  options: BullQueueOptions = {},
  work: Abortable = {},
): Promise<Queue & AsyncDisposable & { close(): Promise<void> }> {
  const queue = await import('./scale/bull-queue.ts');
  return queue.openBullQueue(address, options, work);
}

/**
 * Sums up features part by part, for `fit` with `summary`: its option `sumRows`. The parts are done by a queue (`openBullQueue`), or one after the
 * other in this process. The sums of each part are a file in `output`, a folder or `s3://bucket/folder`, so that a fit that was interrupted continues.
 * `shardBytes` is the least number of bytes of features of a part (default: 2^28).
 */
export async function sumRowsOn(
  output: string,
  { queue, shardBytes }: { queue?: Queue; shardBytes?: number } = {},
): Promise<SumRows> {
  const [work, local] = [await import('./scale/summary-work.ts'), await import('./scale/local-queue.ts')];
  return work.sumRowsOn(queue ?? local.localQueue, output, { shardBytes });
}
