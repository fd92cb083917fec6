import type { Abortable } from '../abort.ts';
import type { FailedRow } from '../dataset/feature-file.ts';
import type { SourceFile } from '../dataset/tree.ts';
import { sha256 } from '../sha256.ts';
import { hashOf, hashOfAll } from '../store/checksum.ts';
import type { ObjectStore } from '../store/object-store.ts';
import type { ShardSource, SourcePicture } from './list-source.ts';
import type { Json, RunSummary, Work, WorkDescription } from './work.ts';

/** The functions of one kind of work, such as embedding, for the pictures of a shard. */
export interface ShardKind {
  readonly description: WorkDescription;
  /** Everything that determines the result of a shard, besides its pictures. */
  readonly identity: { readonly [key: string]: Json };
  readonly source: ShardSource;
  readonly target: ObjectStore;
  /** The bytes of a shard's result, and how many of its pictures could not be read. */
  compute(
    pictures: readonly SourcePicture[],
    options: Abortable & { onProgress?(pictures: number): void },
  ): Promise<{ bytes: Uint8Array; failures: number }>;
  /** Reads what a finished shard says about its pictures. */
  factsOf(file: SourceFile): Promise<{ readonly pictures: number; readonly failures: readonly FailedRow[] }>;
  /** The state of the result in the target. */
  readonly result: RunResult;
  close(): Promise<void>;
}

/** The result that is made of the shards' results. */
export interface RunResult {
  /**
   * The run whose result is in the target according to its summary, with all files of this result. Throws `UsageError` if the target holds
   * other things.
   */
  finished(options: Abortable): Promise<FinishedRun | undefined>;
  /** Marks the target as holding an unfinished run. */
  begin(options: Abortable): Promise<void>;
  /** Writes the result, the failures and the summary. */
  write(run: string, shards: readonly FinishedShard[], options: Abortable): Promise<RunSummary>;
}

interface FinishedRun {
  readonly run: string;
  readonly files: readonly string[];
  readonly summary: RunSummary;
}

/** A finished shard. */
export interface FinishedShard {
  readonly key: string;
  readonly file: SourceFile;
  /** Sha256 (hex) of the file. */
  readonly sha256: string;
  /** Number of pictures before this shard. */
  readonly start: number;
  readonly pictures: number;
  readonly failures: readonly FailedRow[];
}

/** The folder of the shards' results in the target. */
export const SHARDS = 'shards/';

/** The work of a kind. */
export function shardWork({
  description,
  identity,
  source,
  target,
  compute,
  factsOf,
  result,
  close,
}: ShardKind): Work {
  const id = hashOf(JSON.stringify(identity));
  const resultKey: Work['resultKey'] = (shard) => `${SHARDS}${hashOf(id, shard.id).slice(0, 32)}.parquet`;
  /** The keys of all results, once the shards were listed to the end. */
  let keys: readonly string[] | undefined;
  async function* shards(options?: Abortable) {
    const listed: string[] = [];
    for await (const shard of source.shards(options)) {
      listed.push(resultKey(shard));
      yield shard;
    }
    keys = listed;
  }
  const keysOf = async (options: Abortable) => {
    if (!keys) for await (const _ of shards(options));
    return keys!;
  };
  const keysIn = async (folder: string, options?: Abortable) => {
    const found = new Set<string>();
    for await (const { key } of target.list(folder, options)) found.add(key);
    return found;
  };
  return {
    id,
    description,
    ...(source.pictures !== undefined && { pictures: source.pictures }),
    leftOut: () => source.leftOut?.() ?? 0,
    shards,
    resultKey,
    finished: (options) => keysIn(SHARDS, options),
    async begin(options = {}) {
      const done = await result.finished(options);
      if (done && done.run === runOf(await keysOf(options))) {
        const there = await keysIn('', options);
        if (done.files.every((file) => there.has(file))) return done.summary;
      }
      await result.begin(options);
      return undefined;
    },
    async run(shard, { signal, onProgress } = {}) {
      const started = performance.now();
      const seconds = () => (performance.now() - started) / 1000;
      const key = resultKey(shard);
      if (await target.find(key, { signal })) {
        const { pictures, failures } = await factsOf(storedFile(target, key, { signal }));
        return { pictures, failures: failures.length, seconds: seconds(), bytesRead: 0 };
      }
      let bytesRead = 0;
      const counted = (picture: SourcePicture): SourcePicture => ({
        ...picture,
        async read() {
          const bytes = await picture.read();
          bytesRead += bytes.length;
          return bytes;
        },
      });
      const doAll = async (pictures: readonly SourcePicture[]) => {
        const done = await compute(pictures.map(counted), { signal, onProgress });
        return { ...done, pictures: pictures.length };
      };
      const { bytes, pictures, failures } = await source.withPictures(shard, doAll, { signal });
      await target.put(key, bytes, { onlyIfAbsent: true, signal });
      return { pictures, failures, seconds: seconds(), bytesRead };
    },
    async finish(options = {}) {
      const finished: FinishedShard[] = [];
      let start = 0;
      const keys = await keysOf(options);
      for (const key of keys) {
        const file = storedFile(target, key, options);
        const bytes = await file.read();
        const { pictures, failures } = await factsOf({ path: key, read: async () => bytes });
        finished.push({ key, file, sha256: sha256(bytes), start, pictures, failures });
        start += pictures;
      }
      return result.write(runOf(keys), finished, options);
    },
    close,
  };
}

/** Identifies a run by the keys of its results. */
const runOf = (keys: readonly string[]) => hashOfAll(keys);

/** An object of a store as a file of a source. */
function storedFile(store: ObjectStore, key: string, { signal }: Abortable): SourceFile {
  return { path: key, read: () => store.read(key, { signal }) };
}
