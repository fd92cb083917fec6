import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { EncoderSession } from '../classifier/encoder-session.ts';
import {
  encodeFeatureFile,
  type FailedRow,
  type FeatureRow,
  readFeatureFacts,
} from '../dataset/feature-file.ts';
import type { FeatureType, Storage } from '../dataset/stored-formats.ts';
import {
  FAILURES_NAME,
  FILES_NAME,
  parseStoredInfo,
  type StoredInfo,
  storedFiles,
  storedInfoText,
} from '../dataset/stored-info.ts';
import { checkHash, type Sums } from '../dataset/stored-sums.ts';
import type { Dataset, Example } from '../dataset/types.ts';
import type { Encoder } from '../encoder/types.ts';
import { UsageError } from '../errors.ts';
import { DECODING } from '../image/types.ts';
import { sha256 } from '../sha256.ts';
import type { ObjectStore } from '../store/object-store.ts';
import { version } from '../version.ts';
import { count, number } from '../words.ts';
import { failuresCsv } from './failures.ts';
import { writeTables } from './feature-tables.ts';
import { listSource, type ShardSource, type SourcePicture } from './list-source.ts';
import { type FinishedShard, type RunResult, SHARDS, shardWork } from './shard-work.ts';
import type { Work, WorkDescription } from './work.ts';

/** Version of a shard's result, raised when the same pictures give another one. */
const FORMAT = 1;

/** The pictures to compute features of, and the format of the result. */
export interface EmbedSettings {
  readonly dataset: Dataset;
  /** The pictures, if they are not the examples of the data set. */
  readonly source?: ShardSource;
  readonly session: EncoderSession;
  readonly encoder: Encoder;
  readonly target: ObjectStore;
  readonly storage: Storage;
  readonly dtype: FeatureType;
  readonly exif: boolean;
  readonly description: WorkDescription;
}

/** The work of computing the features of a data set. */
export function embedWork(settings: EmbedSettings): Work {
  const { dataset, session, encoder, target, storage, dtype, exif, description } = settings;
  const rowOf = ({ id, label, split, group }: Example): Omit<FeatureRow, 'sha256'> => ({
    id,
    ...(label >= 0 && { class: dataset.classes[label]!.id }),
    ...(split && { split }),
    ...(group !== undefined && { group }),
  });
  const lists = storage === 'parquet-list';
  const source = settings.source ?? listSource(dataset.examples, rowOf);
  return shardWork({
    description,
    identity: {
      ...{ kind: 'embed', version: FORMAT, decoding: DECODING, encoder: encoder.fingerprint, view: 0 },
      ...{ exif, dtype, lists },
    },
    source,
    target,
    async compute(pictures, { signal, onProgress }) {
      const encoded = await session.encode(pictures, {
        ...{ views: [0], seed: 0, exif, signal },
        onProgress: ({ done }) => onProgress?.(done),
      });
      const failures = encoded.failures.map(
        ({ item, error }): FailedRow => ({
          at: item,
          ...known(pictures[item]!),
          code: error.code,
          message: error.message,
        }),
      );
      const rows = pictures
        .filter((_, at) => !encoded.failed.has(at))
        .map((one, i): FeatureRow => ({ ...known(one), sha256: encoded.hashes[i]! }));
      const { fingerprint, dimension } = encoder;
      const facts = { encoder: fingerprint, dtype, dimension, pictures: pictures.length, failures };
      const bytes = await encodeFeatureFile({ facts, rows, features: encoded.features }, { lists });
      return { bytes, failures: failures.length };
    },
    factsOf: readFeatureFacts,
    result: featureFolder(settings, source.pictures),
    close: () => session.close(),
  });
}

/** The facts about a picture that are known before it is read. */
function known({ id, class: name, split, group }: SourcePicture): Omit<FeatureRow, 'sha256'> {
  return {
    id,
    ...(name !== undefined && { class: name }),
    ...(split && { split }),
    ...(group !== undefined && { group }),
  };
}

const INFO_NAME = 'info.json';

/**
 * The folder that the features are stored in: Parquet files as the shards made them, or tables. `pictures` is the number of pictures of
 * the run, if it is known.
 */
function featureFolder(
  { dataset, encoder, target, storage, dtype, exif }: EmbedSettings,
  pictures: number | undefined,
): RunResult {
  const { classes, order, unreadable = [] } = dataset;
  const blank: StoredInfo = {
    ...{ finished: false, run: '', dataset: dataset.name, root: dataset.root },
    ...{ model: encoder.id, fingerprint: encoder.fingerprint, source: encoder.source },
    ...{ dimension: encoder.dimension, dtype, storage, exif },
    classes: classes.map(({ id }) => id),
    names: classes,
    ...(order && { order }),
    ...{ pictures: 0, failures: 0, unreadable: [...unreadable], shards: 0, tables: {} },
    createdBy: `tip-adapter ${version}`,
  };
  const put = (key: string, text: string, signal?: AbortSignal) =>
    target.put(key, Buffer.from(text), { signal });
  const summaryOf = ({ shards, pictures, failures, unreadable }: StoredInfo) => {
    const absent = unreadable.length;
    return { shards, pictures: pictures + absent, failures: failures + absent };
  };
  /** The facts about the data set that are part of the result but of no shard. */
  const about = (info: StoredInfo) =>
    JSON.stringify([info.dataset, info.storage, info.names, info.order, info.unreadable]);
  const infoThere = async (signal?: AbortSignal) => {
    const there = await target.find(INFO_NAME, { signal });
    const path = `${target.address}/${INFO_NAME}`;
    return there && parseStoredInfo(await target.read(INFO_NAME, { signal }), path);
  };
  return {
    async finished({ signal }) {
      const info = await infoThere(signal);
      if (!info) await refuseOthers(target, signal);
      else if (info.root !== blank.root || info.fingerprint !== blank.fingerprint) {
        throw new UsageError(`${target.address} holds features of ${info.root} by ${info.model}`, {
          code: 'output/other-features',
          hint: `Give another folder for features of ${blank.root} by ${blank.model}, or remove this one first.`,
          details: { path: target.address, root: info.root, encoder: info.model },
        });
      } else if (info.finished && pictures !== undefined && pictures < info.pictures) {
        throw fewerPictures(target.address, pictures, info.pictures);
      }
      if (!info?.finished || about(info) !== about(blank)) return undefined;
      const isParquet = info.storage.startsWith('parquet');
      const names = isParquet
        ? await listedFiles(target, signal)
        : Object.keys(info.tables).flatMap((name) => storedFiles(name, storage));
      const failures = info.failures + info.unreadable.length > 0 ? [FAILURES_NAME] : [];
      return { run: info.run, files: [...names, ...failures], summary: summaryOf(info) };
    },
    async begin({ signal }) {
      const { sums = {} } = (await infoThere(signal)) ?? {};
      await put(INFO_NAME, storedInfoText({ ...blank, sums: await shardSums(target, sums, signal) }), signal);
    },
    async write(run, shards, { signal }) {
      const { sums: before } = (await infoThere(signal)) ?? {};
      for (const { key, sha256 } of shards) checkHash(sha256, key, before);
      const isParquet = storage === 'parquet' || storage === 'parquet-list';
      const ids = { classes: blank.classes, dimension: encoder.dimension, dtype, signal };
      const { tables, sums } = isParquet
        ? { tables: {}, sums: Object.fromEntries(shards.map((shard) => [shard.key, shard.sha256])) }
        : await writeTables(target.address, shards, { ...ids, storage });
      const putSummed = (key: string, text: string) => {
        sums[key] = sha256(text);
        return put(key, text, signal);
      };
      if (isParquet) await putSummed(FILES_NAME, shards.map(({ key }) => `${key}\n`).join(''));
      const failures = shards.reduce((sum, shard) => sum + shard.failures.length, 0);
      if (failures + unreadable.length > 0) await putSummed(FAILURES_NAME, failuresCsv(shards, unreadable));
      else await target.remove(FAILURES_NAME, { signal });
      if (isParquet) await removeOthers(target, shards, signal);
      const written = shards.reduce((sum, shard) => sum + shard.pictures, 0);
      const facts = { run, pictures: written, failures, shards: shards.length, tables, sums };
      const info = { ...blank, finished: true, ...facts };
      await put(INFO_NAME, storedInfoText(info), signal);
      // The tables hold all that the shards' results hold.
      if (!isParquet) await rm(join(target.address, SHARDS), { recursive: true, force: true });
      return summaryOf(info);
    },
  };
}

/** A run of fewer pictures would remove the features of the others. */
function fewerPictures(path: string, pictures: number, before: number): UsageError {
  return new UsageError(
    `${path} holds features of ${count(before, 'picture')}, and this run has ${number(pictures)}`,
    {
      code: 'output/other-features',
      hint: `Give another folder for features of the ${count(pictures, 'picture')}, or remove this one first.`,
      details: { path, pictures, before },
    },
  );
}

/** The files that files.txt lists. It is itself one of the files. */
async function listedFiles(target: ObjectStore, signal?: AbortSignal): Promise<string[]> {
  if (!(await target.find(FILES_NAME, { signal }))) return [FILES_NAME];
  const text = Buffer.from(await target.read(FILES_NAME, { signal })).toString('utf8');
  return text.split('\n').filter(Boolean);
}

/** The sums of the shards' results that an earlier run left and that are still there. One that was removed is made anew, perhaps with other bytes. */
async function shardSums(target: ObjectStore, sums: Sums, signal?: AbortSignal): Promise<Sums> {
  const kept: Record<string, string> = {};
  for await (const { key } of target.list(SHARDS, { signal }))
    if (sums[key] !== undefined) kept[key] = sums[key];
  return kept;
}

/** Removes the shards' results that are not part of the result. */
export async function removeOthers(
  target: ObjectStore,
  kept: readonly FinishedShard[],
  signal?: AbortSignal,
): Promise<void> {
  const keys = new Set(kept.map(({ key }) => key));
  for await (const { key } of target.list(SHARDS, { signal }))
    if (!keys.has(key)) await target.remove(key, { signal });
}

export function otherFiles(path: string, key: string): UsageError {
  return new UsageError(`${path} holds other files, such as ${key}`, {
    code: 'output/not-empty',
    hint: 'Give a new or empty folder for the result, or that of an earlier run.',
    details: { path, key },
  });
}

/** Refuses a target that holds something else. */
export async function refuseOthers(target: ObjectStore, signal?: AbortSignal): Promise<void> {
  try {
    for await (const { key } of target.list('', { signal })) throw otherFiles(target.address, key);
  } catch (error) {
    // A folder that does not exist yet is made.
    if ((error as { code?: string }).code !== 'store/missing') throw error;
  }
}
