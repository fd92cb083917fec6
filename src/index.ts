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
export * from './classifier/index.ts';
export { readDataset } from './dataset/read.ts';
export type { Dataset } from './dataset/types.ts';
export { loadEncoder } from './encoder/load.ts';
export type { Encoder, StoredFeature } from './encoder/types.ts';
export {
  DataError,
  type ErrorOptions,
  InterruptedError,
  ModelError,
  TipAdapterError,
  UsageError,
} from './errors.ts';
export {
  type BullQueueOptions,
  type EmbedOptions,
  type EmbedSummary,
  type EmbedTextsOptions,
  type EmbedValues,
  embed,
  embedOptions,
  embedTexts,
  type Json,
  openBullQueue,
  type Queue,
  type RedisSettings,
  type RunProgress,
  type RunSummary,
  type Shard,
  type ShardOutcome,
  type Work,
  type WorkDescription,
} from './scale/index.ts';
