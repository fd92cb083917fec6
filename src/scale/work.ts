import type { Abortable } from '../abort.ts';

/** A value that JSON can hold. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** A part of a run that one worker does as a whole: about 2,000 pictures, a row group, a tar archive, a fit of a benchmark or files of features. */
export interface Shard {
  /**
   * Hash (hex) of everything that determines the shard's result beyond `Work.id`: its pictures, their sizes and dates, and their labels.
   */
  readonly id: string;
  /** The data by which a worker finds the shard's pictures or fit, together with the description of the work: a few hundred bytes. */
  readonly pointer: Json;
  /** Number of pictures, if it is known before they are read. */
  readonly pictures?: number;
  /** The shard in words, for messages: `cat/1.jpg to dog/7.jpg`. */
  readonly name: string;
}

/** The outcome of a shard. In the work of a summary, rows of features are counted in place of pictures. */
export interface ShardOutcome {
  /** Number of pictures, with the unreadable ones. */
  readonly pictures: number;
  /** Number of pictures that could not be read. */
  readonly failures: number;
  readonly seconds: number;
  /** Number of bytes of pictures that were read. */
  readonly bytesRead: number;
}

export const WORK_KINDS = ['embed', 'predict', 'bench', 'summary'] as const;

/** Everything that a worker needs to do shards of the same work: addresses and options, and no secrets. */
export interface WorkDescription {
  readonly kind: (typeof WORK_KINDS)[number];
  readonly [key: string]: Json;
}

/**
 * One run: its shards, and how to do one. Each shard's result is one object in the target. It is written whole or not at all, and its name
 * depends on everything that determines it. A shard that is done twice therefore does no harm, and the target alone shows which shards are
 * done.
 */
export interface Work {
  /**
   * Hash (hex) of everything that determines the results of all shards: kind, encoder's fingerprint, view, options, version of the format.
   */
  readonly id: string;
  readonly description: WorkDescription;
  /** Number of pictures of all shards, if it is known before they are listed. */
  readonly pictures?: number;
  /** Number of objects that the last listing left out, because they are neither pictures nor archives. */
  leftOut?(): number;
  /** The shards, in order. They are listed while they are asked for, and no more than one is in memory. */
  shards(options?: Abortable): AsyncIterable<Shard>;
  /** The key of a shard's result in the target. */
  resultKey(shard: Shard): string;
  /** The keys of all results that are in the target. */
  finished(options?: Abortable): Promise<ReadonlySet<string>>;
  /**
   * Marks the target as holding an unfinished run. Returns the summary instead if the target holds the finished result of exactly these
   * shards. Throws `UsageError` if the target holds other things, which the run would replace.
   */
  begin(options?: Abortable): Promise<RunSummary | undefined>;
  /**
   * Does a shard and puts its result into the target. A result that is already there stays. Throws `InterruptedError` if the signal fires,
   * and any error that is not about a single picture; pictures that cannot be read are part of the result.
   */
  run(shard: Shard, options?: Abortable & { onProgress?(pictures: number): void }): Promise<ShardOutcome>;
  /**
   * Makes the run's result from the results of all shards, and removes what an earlier run of other pictures left. Called once all
   * shards are done; calling it again gives the same.
   */
  finish(options?: Abortable): Promise<RunSummary>;
  close(): Promise<void>;
}

/** Progress of a run. */
export interface RunProgress {
  /** Number of shards done, of those among them that an earlier run did, and of all (if it is known). */
  readonly shards: number;
  readonly kept: number;
  /** Number of pictures done, with those of an unfinished shard, and of all (if it is known). */
  readonly pictures: number;
  readonly total?: number;
  /** Number of pictures that could not be read, without those of shards that an earlier run did. */
  readonly failures: number;
  /** The shard that was begun or done last, in words, if this process knows it. */
  readonly now?: string;
}

/** The end of a run. */
export interface RunSummary {
  readonly shards: number;
  readonly pictures: number;
  /** Number of pictures that could not be read. */
  readonly failures: number;
}

/** Has the shards of a run done: in this process (`localQueue`), or by workers. */
export interface Queue {
  /** Throws `UsageError` for work that this queue cannot have done. Called before anything is written. */
  check?(work: Work): void;
  /** Records that the result of a run is made, for later questions about the run. */
  finished?(work: Work, summary: RunSummary): Promise<void>;
  /** Resolves when every shard is done. Throws `InterruptedError` if the signal fires; finished shards stay done. */
  run(work: Work, options?: Abortable & { onProgress?(progress: RunProgress): void }): Promise<void>;
}
