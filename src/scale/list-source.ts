import { stat } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import type { Abortable } from '../abort.ts';
import type { FeatureRow } from '../dataset/feature-file.ts';
import type { Example } from '../dataset/types.ts';
import { ahead } from '../encoder/ahead.ts';
import { DataError, systemCode, throwIfAborted } from '../errors.ts';
import { sha256 } from '../sha256.ts';
import { hashOf } from '../store/checksum.ts';
import { count } from '../words.ts';
import type { Json, Shard } from './work.ts';

/** A picture of a run with its facts. */
export type SourcePicture = Pick<Example, 'id' | 'stored' | 'read'> & Omit<FeatureRow, 'sha256'>;

/** The pictures of a run, cut into shards. */
export interface ShardSource {
  /** Number of all pictures, if it is known. */
  readonly pictures?: number;
  /** Number of objects that the last listing left out, because they are neither pictures nor archives. */
  leftOut?(): number;
  /** Lists the shards in order. They depend on the pictures alone. */
  shards(options?: Abortable): AsyncIterable<Shard>;
  /** Works with the pictures of a shard. Throws `DataError` `scale/changed` if they are not those that were listed. */
  withPictures<T>(
    shard: Shard,
    work: (pictures: readonly SourcePicture[]) => Promise<T>,
    options?: Abortable,
  ): Promise<T>;
}

/** The least and the largest number of pictures of a shard. */
const [LEAST, MOST] = [1000, 4000];

/**
 * Whether a shard of `n` pictures ends after this one. It depends on the name, so that a new picture changes its own shard and seldom the next: about one
 * name in a thousand ends a shard, which makes shards of 1,950 pictures on average.
 */
export function endsShard(id: string, n: number): boolean {
  return n >= MOST || (n >= LEAST && crc32(id) % LEAST === 0);
}

/** The part of a shard's hash that one picture makes. `tag` changes with the picture's bytes. */
export function lineOf(picture: Omit<FeatureRow, 'sha256'>, tag: string): string {
  const { id, class: name, split, group } = picture;
  return JSON.stringify([id, tag, name, split, group]);
}

/** Number of files whose size and date are asked for at the same time. */
const AHEAD = 64;

/** Pictures in a list, which every worker reads from the same data. `rowOf` returns the facts about one. */
export function listSource<T extends Pick<Example, 'id' | 'path' | 'within' | 'tag' | 'stored' | 'read'>>(
  listed: readonly T[],
  rowOf: (one: T) => Omit<FeatureRow, 'sha256'>,
): ShardSource {
  async function* tagged(from: number, to: number) {
    // Only for one pass, because an archive may be replaced while a run is done.
    const dates = new Map<string, Promise<string>>();
    const some = listed.slice(from, to);
    yield* ahead(some, async (one) => lineOf(rowOf(one), await tagOf(one, dates)), AHEAD);
  }
  return {
    pictures: listed.length,
    async *shards({ signal } = {}) {
      let from = 0;
      let at = 0;
      let lines: string[] = [];
      for await (const line of tagged(0, listed.length)) {
        throwIfAborted(signal);
        lines.push(line);
        at++;
        if (at < listed.length && !endsShard(listed[at - 1]!.id, at - from)) continue;
        const [first, last] = [listed[from]!.id, listed[at - 1]!.id];
        yield {
          id: hashOf(...lines),
          pointer: { from, to: at },
          pictures: at - from,
          name: `${first} to ${last}`,
        };
        from = at;
        lines = [];
      }
    },
    async withPictures(shard, work) {
      const { from, to } = rangeOf(shard.pointer);
      const lines: string[] = [];
      for await (const line of tagged(from, to)) lines.push(line);
      if (hashOf(...lines) !== shard.id) throw changed(shard);
      const pictures = listed.slice(from, to);
      return work(pictures.map((one) => ({ ...rowOf(one), stored: one.stored, read: () => one.read() })));
    },
  };
}

function rangeOf(pointer: Json): { from: number; to: number } {
  return pointer as { from: number; to: number };
}

/** Changes with the bytes of a picture: size and date of its file or archive, else a hash of the bytes. */
async function tagOf(
  one: Pick<Example, 'path' | 'within' | 'tag' | 'stored' | 'read'>,
  dates: Map<string, Promise<string>>,
): Promise<string> {
  if (one.stored) return one.stored.sha256;
  if (one.tag !== undefined) return one.tag;
  if (one.path !== undefined) return dateOf(one.path);
  if (one.within === undefined) return one.read().then(sha256, (error: Error) => error.message);
  const known = dates.get(one.within) ?? dateOf(one.within);
  dates.set(one.within, known);
  return known;
}

async function dateOf(path: string): Promise<string> {
  return stat(path).then(
    ({ size, mtimeMs }) => `${size}-${mtimeMs}`,
    (error) => systemCode(error) ?? 'unreadable',
  );
}

export function changed({ name, pictures = 0 }: Shard): DataError {
  return new DataError(
    `The pictures of a shard (${count(pictures, 'picture')}, ${name}) have changed since they were listed`,
    {
      code: 'scale/changed',
      hint: 'Run the same command again when nothing writes to the pictures any more. Finished shards are kept.',
      details: { shard: name },
    },
  );
}
