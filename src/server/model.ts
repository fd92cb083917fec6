import { Classifier } from '../classifier/classifier.ts';
import type { EncoderSession } from '../classifier/encoder-session.ts';
import { writeClassifier } from '../classifier/file.ts';
import { classifierHash } from '../classifier/file-bytes.ts';
import type { Prediction } from '../classifier/types.ts';
import { DataError, throwIfAborted } from '../errors.ts';
import { withLock } from '../store/lock.ts';
import { watchDrift } from './drift.ts';
import type { BorrowedEncoder, EncoderPool } from './encoder-pool.ts';
import type { Metrics } from './metrics.ts';
import { type ModelSource, modelSource } from './model-source.ts';
import { Refusal } from './problem.ts';

/** A classifier that is ready to answer. */
export interface Ready {
  readonly name: string;
  readonly classifier: Classifier;
  readonly session: EncoderSession;
  /** Sha256 of the classifier's content. */
  readonly hash: string;
  /** Counts an answer in the metrics. */
  watch(prediction: Prediction, embedding: Float32Array): void;
}

/** A loaded classifier and its encoder; `users` is the number of requests that it is answering. */
interface Loaded {
  readonly ready: Ready;
  readonly encoder: BorrowedEncoder;
  users: number;
  retired: boolean;
}

/** The classifier that a client expects to change. If the present one differs, the change is refused. */
export interface Expected {
  readonly version?: number;
  /** Entity tags of the header `If-Match`, or `*`. */
  readonly etags?: readonly string[];
}

/** The result of a check: a changed file was loaded, or it cannot be read or used, and the classifier before is still served. */
export interface Reload {
  readonly name: string;
  /** Version of the classifier that is served now. */
  readonly version: number;
  readonly error?: Error;
}

/** The parts that all classifiers of a server share. */
export interface Sharing {
  readonly encoders: EncoderPool;
  readonly metrics: Metrics;
}

/**
 * A served classifier, its name and its file. Changes are made one after the other, also with changes by other programs, and are on
 * the disk before they are answered. A file that another program wrote is loaded completely or not at all.
 */
export class Model {
  readonly name: string;
  readonly #source: ModelSource;
  readonly #sharing: Sharing;
  #loaded: Loaded;
  /** Signature of the file when it was last read or written. */
  #signature: string;
  #problem?: Error;
  /** The reason why the last check could not read the file. The next check tries again. */
  #unreachable?: Error;
  #work: Promise<unknown> = Promise.resolve();

  private constructor(
    name: string,
    source: ModelSource,
    sharing: Sharing,
    loaded: Loaded,
    signature: string,
  ) {
    this.name = name;
    this.#source = source;
    this.#sharing = sharing;
    this.#loaded = loaded;
    this.#signature = signature;
  }

  /** Reads the file at a path or address and opens its encoder. Throws `ModelError` if either cannot be used. */
  static async open(name: string, place: string, sharing: Sharing): Promise<Model> {
    const source = modelSource(place);
    const signature = await source.signature();
    return new Model(name, source, sharing, await read(name, source, signature, sharing), signature);
  }

  get data(): Classifier['data'] {
    return this.#loaded.ready.classifier.data;
  }

  get hash(): string {
    return this.#loaded.ready.hash;
  }

  /** Entity tag: the version, and a part that distinguishes two classifiers of the same version. */
  get etag(): string {
    return `"${this.data.version}-${this.hash.slice(0, 12)}"`;
  }

  /** The reason why the present file on the disk cannot be loaded; undefined if it was loaded. */
  get problem(): Error | undefined {
    return this.#unreachable ?? this.#problem;
  }

  /** Milliseconds between two checks for changes. */
  get interval(): number {
    return this.#source.interval;
  }

  /** Calls `work` with the present classifier, which stays open until the work is done, even if another one replaces it. */
  async use<T>(work: (ready: Ready) => Promise<T>): Promise<T> {
    const loaded = this.#loaded;
    loaded.users++;
    try {
      return await work(loaded.ready);
    } finally {
      loaded.users--;
      await freeUnused(loaded);
    }
  }

  /**
   * Replaces the classifier by the one that `act` makes, first in the file. Throws a `Refusal` if the present classifier is not the
   * expected one (409 for its version, 412 for its entity tag) and if it is in a store or on the hub (403).
   */
  change(
    expected: Expected,
    act: (classifier: Classifier) => Promise<Classifier>,
    signal: AbortSignal,
  ): Promise<Classifier> {
    const { path } = this.#source;
    if (path === undefined) return Promise.reject(inStore());
    return this.#inTurn(async () => {
      throwIfAborted(signal);
      const locked = () => this.#changeLocked(path, expected, act, signal);
      return withLock(`${path}.lock`, locked, signal);
    });
  }

  /** Loads the file if another program changed it; returns undefined if not. */
  refresh(): Promise<Reload | undefined> {
    return this.#inTurn(() => this.#refresh());
  }

  async close(): Promise<void> {
    await this.#work.catch(() => {});
    await retire(this.#loaded);
  }

  async #changeLocked(
    path: string,
    expected: Expected,
    act: (classifier: Classifier) => Promise<Classifier>,
    signal: AbortSignal,
  ): Promise<Classifier> {
    await this.#refresh();
    if (this.problem) throw this.problem;
    this.#check(expected);
    return this.use(async ({ classifier: before }) => {
      const classifier = await act(before);
      // If the client was already answered that the deadline passed, nothing may be changed.
      throwIfAborted(signal);
      await writeClassifier(path, classifier.data);
      this.#signature = await this.#source.signature();
      const { encoders, metrics } = this.#sharing;
      const encoder = await encoders.borrow(classifier.data.encoder);
      await this.#replace(loadedFrom(this.name, classifier, encoder, metrics));
      return classifier;
    });
  }

  async #refresh(): Promise<Reload | undefined> {
    const wasUnreachable = this.#unreachable !== undefined;
    try {
      const signature = await this.#source.signature();
      const isNew = signature !== this.#signature;
      if (isNew) await this.#load(signature);
      this.#unreachable = undefined;
      return isNew ? this.#outcome(this.#problem) : undefined;
    } catch (error) {
      this.#unreachable = error as Error;
      return wasUnreachable ? undefined : this.#outcome(this.#unreachable);
    }
  }

  /** Loads the present file, or records why it cannot be used. Throws `DataError` if it could not be read, so that it is tried again. */
  async #load(signature: string): Promise<void> {
    try {
      await this.#replace(await read(this.name, this.#source, signature, this.#sharing));
      this.#problem = undefined;
    } catch (error) {
      if (error instanceof DataError) throw error;
      this.#problem = error as Error;
    }
    this.#signature = signature;
  }

  #outcome(error?: Error): Reload {
    return { name: this.name, version: this.data.version, error };
  }

  async #replace(loaded: Loaded): Promise<void> {
    const before = this.#loaded;
    this.#loaded = loaded;
    await retire(before);
  }

  #check({ version, etags }: Expected): void {
    const current = { version: this.data.version, etag: this.etag };
    if (version !== undefined && version !== current.version) {
      throw new Refusal(409, `The classifier has version ${current.version}, not ${version}`, {
        code: 'server/version',
        hint: 'Get the current state, then send the change again with its version.',
        details: current,
      });
    }
    if (etags && !etags.includes('*') && !etags.includes(current.etag)) {
      throw new Refusal(
        412,
        `The entity tag of the classifier is ${current.etag}, not ${etags.join(' or ')}`,
        {
          code: 'server/etag',
          hint: 'Get the current state, then send the change again with its entity tag.',
          details: current,
        },
      );
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#work.then(work);
    this.#work = done.catch(() => {});
    return done;
  }
}

async function read(
  name: string,
  source: ModelSource,
  signature: string,
  { encoders, metrics }: Sharing,
): Promise<Loaded> {
  const data = await source.read(signature);
  const encoder = await encoders.borrow(data.encoder);
  return loadedFrom(name, new Classifier(data, encoder.session), encoder, metrics);
}

function loadedFrom(
  name: string,
  classifier: Classifier,
  encoder: BorrowedEncoder,
  metrics: Metrics,
): Loaded {
  const ready = {
    name,
    classifier,
    session: encoder.session,
    hash: classifierHash(classifier.data),
    watch: watchDrift(name, classifier, metrics),
  };
  return { ready, encoder, users: 0, retired: false };
}

function inStore(): Refusal {
  return new Refusal(403, 'The classifier is in a store or on the hub, where the server does not change it', {
    code: 'server/read-only',
    hint: 'Change the file with tip-adapter add or remove, and put it into the store, whose objects the server loads again, or push it to the hub.',
  });
}

async function retire(loaded: Loaded): Promise<void> {
  loaded.retired = true;
  await freeUnused(loaded);
}

async function freeUnused(loaded: Loaded): Promise<void> {
  if (!loaded.retired || loaded.users > 0) return;
  await loaded.ready.classifier.close();
  await loaded.encoder.release();
}
