import { join, resolve } from 'node:path';
import { onAbort } from '../abort.ts';
import type { Classifier } from '../classifier/classifier.ts';
import { BUILTIN_ID } from '../encoder/builtin/packages.ts';
import { chooseEncoder } from '../encoder/choose.ts';
import { withEqualWeights } from '../encoder/joined.ts';
import { loadEncoder } from '../encoder/load.ts';
import type { PullPlan } from '../encoder/pull.ts';
import { DEFAULT_CLIP, REGISTRY, type RegisteredEncoder } from '../encoder/registry.ts';
import type { Encoder } from '../encoder/types.ts';
import { sharedEngine } from '../engine/shared.ts';
import { UsageError } from '../errors.ts';
import { createImageLoader } from '../image/loader.ts';
import { writeFileAtomic } from '../store/atomic.ts';
import { type Lock, takeLock } from '../store/lock.ts';
import { readRegularText } from '../store/regular.ts';
import type { Board } from './board.ts';
import type { Change } from './history.ts';
import { type Journal, openJournal } from './journal.ts';
import { Lessons } from './lessons.ts';
import { PhoneServer } from './phone.ts';
import { openPictures, type Pictures } from './picture-store.ts';
import { type EncoderStatus, problemOf, type Status } from './status.ts';
import { createTeacher, type Teacher } from './teacher.ts';

export interface SessionOptions {
  /** Folder of the session; made if missing. */
  readonly folder: string;
  /** The name of an encoder, or a loaded encoder, which the caller closes. */
  readonly encoder?: string | Encoder;
  /** Folder of the session's lock and of the file with its URL (default: `folder`). */
  readonly home?: string;
}

/** One person's work: the board and its journal, the pictures, the encoder, and the classifier that is always up to date. */
export class Session {
  readonly pictures: Pictures;
  /** The server for a phone in the same network, closed until a person opens it. */
  readonly phone: PhoneServer = new PhoneServer(this, () => this.#tell());
  readonly #folder: string;
  readonly #wanted: string | Encoder;
  readonly #journal: Journal;
  readonly #lock: Lock;
  readonly #loader: ReturnType<typeof createImageLoader>;
  readonly #listeners = new Set<(status: Status) => void>();
  readonly #end = new AbortController();
  #encoder: EncoderStatus = { state: 'loading' };
  #upgrade?: EncoderStatus;
  #agree?: (yes: boolean) => void;
  #stopDownload?: AbortController;
  #teacher?: Teacher;
  #lessons?: Lessons;
  #lent = false;
  #opening: Promise<void> = Promise.resolve();
  #version = 0;

  private constructor(folder: string, encoder: string | Encoder, journal: Journal, lock: Lock) {
    this.#wanted = encoder;
    this.#folder = resolve(folder);
    this.#journal = journal;
    this.#lock = lock;
    this.#loader = createImageLoader();
    this.pictures = openPictures(folder, this.#loader);
  }

  /**
   * Opens the session in its last state. The encoder is opened in the background; if it must be downloaded, the page asks the person.
   * Throws `UsageError` `studio/in-use` if another program has the session open, because each would overwrite the other's changes.
   */
  static async open({ folder, encoder = 'auto', home = folder }: SessionOptions): Promise<Session> {
    const lock = await takeLock(join(home, 'session.lock'));
    if (!lock) throw inUse(home, await lastAddress(home));
    const journal = await openJournal(folder).catch(async (error) => {
      await lock.release();
      throw error;
    });
    const session = new Session(folder, encoder, journal, lock);
    session.#opening = session.#openEncoder();
    return session;
  }

  get board(): Board {
    return this.#journal.history.board;
  }

  /** Number of changes since the session was opened. A page with another number has another board. */
  get version(): number {
    return this.#version;
  }

  get status(): Status {
    const { past, future } = this.#journal.history;
    return {
      version: this.#version,
      folder: this.#folder,
      undo: past.length,
      redo: future.length,
      encoder: this.#encoder,
      upgrade: this.#upgrade,
      phone: this.phone.status,
      ...(this.#lessons?.status ?? { teaching: { stage: 'waiting' } }),
    };
  }

  /** The present classifier; undefined until two classes have pictures. */
  get answering(): Classifier | undefined {
    return this.#lessons?.answering;
  }

  get lessons(): Lessons | undefined {
    return this.#lessons;
  }

  /**
   * Makes changes on the board and on the disk, and learns the new board. The board has all changes before any later one. Resolves
   * with the new version when the changes are on the disk.
   */
  async change(...changes: readonly Change[]): Promise<number> {
    this.#version += changes.length;
    const version = this.#version;
    const written = this.#journal.append(...changes);
    this.#lessons?.teach(this.board);
    this.#tell();
    try {
      await written;
    } catch (error) {
      // The board was reset to the one on the disk, so pages must load it again.
      this.#version++;
      this.#lessons?.teach(this.board);
      this.#tell();
      throw error;
    }
    return version;
  }

  /** Calls the listener with the status, now and after each change, until the returned function is called. */
  watch(listener: (status: Status) => void): () => void {
    this.#listeners.add(listener);
    listener(this.status);
    return () => {
      this.#listeners.delete(listener);
      setTimeout(() => this.#listeners.size === 0 && void this.phone.close(), UNWATCHED).unref();
    };
  }

  /** The person's answer: accepts or declines an offered download, stops a running one, or tries a failed one again. */
  answerDownload(yes: boolean): void {
    const { state } = this.#encoder;
    if (state === 'failed' && yes) this.#opening = this.#openEncoder();
    else if (state === 'downloading' && !yes) this.#stopDownload?.abort();
    else if (yes) this.#agree?.(true);
    else if (state === 'offered') this.#setEncoder({ ...this.#encoder, state: 'declined' });
  }

  /** The person's answer to the offer of CLIP beside the built-in encoder: accepts or declines it, or stops its download. */
  answerUpgrade(yes: boolean): void {
    const offer = this.#upgrade;
    if (!offer) return;
    if (offer.state === 'downloading') {
      if (!yes) this.#stopDownload?.abort();
    } else if (yes) this.#opening = this.#getClip(clipOffer());
    else {
      this.#upgrade = { ...offer, state: 'declined' };
      this.#tell();
    }
  }

  /** The encoder for another session, which this session then does not close, or, if it is not loaded, the requested name. */
  lend(): string | Encoder {
    const encoder = this.#teacher?.encoder;
    if (encoder) this.#lent = true;
    return encoder ?? this.#wanted;
  }

  /** Fires when the session is about to be closed, so that endless streams to pages end. */
  get ending(): AbortSignal {
    return this.#end.signal;
  }

  /** Begins to close: lets running work finish, and refuses new long work. */
  end(): void {
    this.#end.abort();
  }

  async close(): Promise<void> {
    this.end();
    await this.phone.close();
    await this.#opening;
    await this.#endLessons();
    await this.#loader.close();
    await this.#journal.close();
    await this.#lock.release();
  }

  async #openEncoder(): Promise<void> {
    const wanted = this.#wanted;
    try {
      const encoder = withEqualWeights(typeof wanted === 'string' ? await this.#loadEncoder(wanted) : wanted);
      this.#lent = typeof wanted !== 'string';
      if (encoder.id === BUILTIN_ID) this.#upgrade = clipOffer();
      this.#begin(encoder);
    } catch (error) {
      this.#setEncoder({ state: 'failed', problem: problemOf(error) });
    }
  }

  #begin(encoder: Encoder): void {
    encoder.prepare?.();
    this.#teacher = createTeacher(encoder, this.pictures, this.#loader);
    this.#lessons = new Lessons(this.#teacher, () => this.#tell());
    const opensText = encoder.textTower !== undefined;
    const readsText = encoder.embedTexts !== undefined;
    this.#setEncoder({ state: 'ready', id: encoder.id, licence: encoder.licence, opensText, readsText });
    this.#lessons.teach(this.board);
  }

  /** Downloads the encoder that is offered beside the built-in one. The built-in encoder is used until the download is complete. */
  async #getClip(offer: EncoderStatus): Promise<void> {
    const stop = new AbortController();
    this.#stopDownload = stop;
    const tell = (upgrade: EncoderStatus | undefined) => {
      this.#upgrade = upgrade;
      this.#tell();
    };
    tell({ ...offer, state: 'downloading' });
    try {
      const encoder = await loadEncoder(offer.id as string, {
        engine: sharedEngine(),
        signal: AbortSignal.any([this.#end.signal, stop.signal]),
        onProgress: ({ step, received, total }) =>
          tell({ ...offer, state: 'downloading', step, received, total }),
      });
      await this.#endLessons();
      this.#lent = false;
      tell(undefined);
      this.#begin(encoder);
    } catch (error) {
      tell(stop.signal.aborted ? offer : { ...offer, state: 'failed', problem: problemOf(error) });
    }
  }

  async #endLessons(): Promise<void> {
    const [teacher, lessons] = [this.#teacher, this.#lessons];
    this.#teacher = undefined;
    this.#lessons = undefined;
    await lessons?.close();
    await teacher?.close();
    if (!this.#lent) await teacher?.encoder.close();
  }

  /** Loads an encoder, and offers its download if needed. A stopped download is offered again, and continues where it stopped. */
  async #loadEncoder(wanted: string): Promise<Encoder> {
    for (;;) {
      const stop = new AbortController();
      this.#stopDownload = stop;
      const signal = AbortSignal.any([this.#end.signal, stop.signal]);
      try {
        const { name } = await chooseEncoder(wanted, { signal });
        return await loadEncoder(name, {
          engine: sharedEngine(),
          signal,
          confirm: (plan) => this.#offer(plan),
          onProgress: ({ step, received, total }) =>
            this.#setEncoder({ ...this.#encoder, state: 'downloading', step, received, total }),
        });
      } catch (error) {
        if (!stop.signal.aborted || this.#end.signal.aborted) throw error;
      }
    }
  }

  /** Offers a download. Resolves with the person's answer, or with false when the session ends. */
  #offer({ id, source, bytes, licence }: PullPlan): Promise<boolean> {
    this.#setEncoder({ state: 'offered', id, source, bytes, licence });
    return new Promise((resolve) => {
      this.#agree = resolve;
      onAbort(this.#end.signal, () => resolve(false));
    });
  }

  #setEncoder(status: EncoderStatus): void {
    this.#encoder = status;
    this.#tell();
  }

  #tell(): void {
    const { status } = this;
    for (const listener of this.#listeners) listener(status);
  }
}

/** Milliseconds without a page after which the server for a phone is closed: enough to load the page again. */
const UNWATCHED = 10_000;

/** The offer of CLIP when only the built-in encoder is on this machine. */
function clipOffer(): EncoderStatus {
  const { id, megabytes, licence, repo } = REGISTRY.find(
    ({ id }) => id === DEFAULT_CLIP,
  ) as RegisteredEncoder;
  return { state: 'offered', id, bytes: megabytes * 1e6, licence, source: repo };
}

/** The file with the URL at which a folder's session was last served. */
const addressFile = (folder: string) => join(folder, 'address');

export async function lastAddress(folder: string): Promise<string | undefined> {
  const text = await readRegularText(addressFile(folder), { area: 'studio', limit: 2 ** 12 }).catch(
    () => undefined,
  );
  return text && URL.canParse(text) ? text : undefined;
}

export async function rememberAddress(folder: string, address: string): Promise<void> {
  await writeFileAtomic(addressFile(folder), Buffer.from(address));
}

function inUse(folder: string, address?: string): UsageError {
  return new UsageError(`The session in ${folder} is open already`, {
    code: 'studio/in-use',
    hint: address ? `Its page is at ${address}.` : 'Close the other studio, or give another --workspace.',
    details: { folder, address },
  });
}
