import { stat } from 'node:fs/promises';
import { Classifier } from '../classifier/classifier.ts';
import { readClassifier, writeClassifier } from '../classifier/file.ts';
import { throwIfAborted } from '../errors.ts';
import { sha256 } from '../store/checksum.ts';
import { withLock } from '../store/lock.ts';
import { fileIdentity } from '../store/regular.ts';
import type { BorrowedEncoder, EncoderPool } from './encoder-pool.ts';
import { Refusal } from './problem.ts';

/** A loaded classifier and its encoder; `users` is the number of requests that it is answering. */
interface Loaded {
  readonly classifier: Classifier;
  readonly encoder: BorrowedEncoder;
  /** Entity tag: the version, and a part that distinguishes two files of the same version. */
  readonly etag: string;
  users: number;
  retired: boolean;
}

/** The classifier that a client expects to change. If the present one differs, the change is refused. */
export interface Expected {
  readonly version?: number;
  /** Entity tags of the header `If-Match`, or `*`. */
  readonly etags?: readonly string[];
}

/** The result of a changed file: it was loaded, or it cannot be used and the classifier before is still served. */
export interface Reload {
  readonly name: string;
  /** Version of the classifier that is served now. */
  readonly version: number;
  readonly error?: Error;
}

/**
 * A served classifier, its name and its file. Changes are made one after the other, also with changes by other programs, and are on
 * the disk before they are answered. A file that another program wrote is loaded completely or not at all.
 */
export class Model {
  readonly name: string;
  readonly #path: string;
  readonly #encoders: EncoderPool;
  #loaded: Loaded;
  /** Signature of the file when it was last read or written. */
  #signature: string;
  #problem?: Error;
  #work: Promise<unknown> = Promise.resolve();

  private constructor(name: string, path: string, encoders: EncoderPool, loaded: Loaded, signature: string) {
    this.name = name;
    this.#path = path;
    this.#encoders = encoders;
    this.#loaded = loaded;
    this.#signature = signature;
  }

  /** Reads the file and opens its encoder. Throws `ModelError` if either cannot be used. */
  static async open(name: string, path: string, encoders: EncoderPool): Promise<Model> {
    const signature = await signatureOf(path);
    return new Model(name, path, encoders, await read(path, signature, encoders), signature);
  }

  get data(): Classifier['data'] {
    return this.#loaded.classifier.data;
  }

  get etag(): string {
    return this.#loaded.etag;
  }

  /** Why the present file on the disk cannot be loaded; undefined if it was. */
  get problem(): Error | undefined {
    return this.#problem;
  }

  /** Calls `work` with the present classifier, which stays open until the work is done, even if another one replaces it. */
  async use<T>(work: (classifier: Classifier) => Promise<T>): Promise<T> {
    const loaded = this.#loaded;
    loaded.users++;
    try {
      return await work(loaded.classifier);
    } finally {
      loaded.users--;
      await freeUnused(loaded);
    }
  }

  /**
   * Replaces the classifier by the one that `act` makes, first in the file. Throws a `Refusal` if the present classifier is not the
   * expected one: 409 for its version, 412 for its entity tag.
   */
  change(
    expected: Expected,
    act: (classifier: Classifier) => Promise<Classifier>,
    signal: AbortSignal,
  ): Promise<Classifier> {
    return this.#inTurn(async () => {
      throwIfAborted(signal);
      const locked = () => this.#changeLocked(expected, act, signal);
      return withLock(`${this.#path}.lock`, locked, signal);
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
    expected: Expected,
    act: (classifier: Classifier) => Promise<Classifier>,
    signal: AbortSignal,
  ): Promise<Classifier> {
    await this.#refresh();
    if (this.#problem) throw this.#problem;
    this.#check(expected);
    return this.use(async (before) => {
      const classifier = await act(before);
      // If the client was already answered that the deadline passed, nothing may be changed.
      throwIfAborted(signal);
      await writeClassifier(this.#path, classifier.data);
      this.#signature = await signatureOf(this.#path);
      const encoder = await this.#encoders.borrow(classifier.data.encoder);
      await this.#replace({
        classifier,
        encoder,
        etag: etagOf(classifier, this.#signature),
        users: 0,
        retired: false,
      });
      return classifier;
    });
  }

  async #refresh(): Promise<Reload | undefined> {
    const signature = await signatureOf(this.#path);
    if (signature === this.#signature) return undefined;
    this.#signature = signature;
    try {
      const loaded = await read(this.#path, signature, this.#encoders);
      this.#problem = undefined;
      await this.#replace(loaded);
      return { name: this.name, version: this.data.version };
    } catch (error) {
      this.#problem = error as Error;
      return { name: this.name, version: this.data.version, error: this.#problem };
    }
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

async function read(path: string, signature: string, encoders: EncoderPool): Promise<Loaded> {
  const data = await readClassifier(path);
  const encoder = await encoders.borrow(data.encoder);
  const classifier = new Classifier(data, encoder.session);
  return { classifier, encoder, etag: etagOf(classifier, signature), users: 0, retired: false };
}

async function signatureOf(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  return found ? fileIdentity(found) : 'missing';
}

const etagOf = ({ data }: Classifier, signature: string): string =>
  `"${data.version}-${sha256(Buffer.from(signature)).slice(0, 12)}"`;

async function retire(loaded: Loaded): Promise<void> {
  loaded.retired = true;
  await freeUnused(loaded);
}

async function freeUnused(loaded: Loaded): Promise<void> {
  if (!loaded.retired || loaded.users > 0) return;
  await loaded.classifier.close();
  await loaded.encoder.release();
}
