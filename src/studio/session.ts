import { onAbort } from '../abort.ts';
import { BUILTIN_ID } from '../encoder/builtin/packages.ts';
import { withEqualWeights } from '../encoder/joined.ts';
import type { LoadOptions } from '../encoder/load.ts';
import type { PullPlan } from '../encoder/pull.ts';
import type { Encoder } from '../encoder/types.ts';
import type { Board } from './board.ts';
import type { Change } from './history.ts';
import type { Journal } from './journal.ts';
import { Lessons } from './lessons.ts';
import type { Pictures } from './pictures.ts';
import { type EncoderStatus, problemOf, type Status } from './status.ts';
import type { LessonClassifier, Teacher } from './teacher.ts';

/** The parts that differ between a session on the disk and one in a page. */
export interface SessionParts<P extends Pictures = Pictures> {
  /** The place of the session in the form that the page shows. */
  readonly folder: string;
  /** The name of an encoder, or a loaded encoder, which the caller closes. */
  readonly encoder: string | Encoder;
  readonly journal: Journal;
  readonly pictures: P;
  /** The encoder that is offered while the built-in one is in use. */
  readonly upgrade?: EncoderStatus;
  /** Loads an encoder. `confirm` asks the person before a download. */
  loadEncoder(
    name: string,
    options: Pick<LoadOptions, 'signal' | 'confirm' | 'onProgress'>,
  ): Promise<Encoder>;
  createTeacher(encoder: Encoder): Teacher;
  /** Frees what the parts hold, after the lessons have ended. */
  close(): Promise<void>;
}

/** One person's work: the board and its journal, the pictures, the encoder, and the classifier that is always up to date. */
export class Session<P extends Pictures = Pictures> {
  readonly #parts: SessionParts<P>;
  readonly #listeners = new Set<(status: Status) => void>();
  readonly #end = new AbortController();
  #encoder: EncoderStatus = { state: 'loading' };
  #upgrade?: EncoderStatus;
  #agree?: (yes: boolean) => void;
  #stopDownload?: AbortController;
  #teacher?: Teacher;
  #lessons?: Lessons;
  #lent = false;
  #opening: Promise<void>;
  #version = 0;

  /** Opens the encoder in the background. If it must be downloaded, the page asks the person. */
  constructor(parts: SessionParts<P>) {
    this.#parts = parts;
    this.#opening = this.#openEncoder();
  }

  get pictures(): P {
    return this.#parts.pictures;
  }

  get board(): Board {
    return this.#parts.journal.history.board;
  }

  /** Number of changes since the session was opened. A page with another number has another board. */
  get version(): number {
    return this.#version;
  }

  get status(): Status {
    const { past, future } = this.#parts.journal.history;
    return {
      version: this.#version,
      folder: this.#parts.folder,
      undo: past.length,
      redo: future.length,
      encoder: this.#encoder,
      upgrade: this.#upgrade,
      ...(this.#lessons?.status ?? { teaching: { stage: 'waiting' } }),
    };
  }

  /** The present classifier; undefined until two classes have pictures. */
  get answering(): LessonClassifier | undefined {
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
    const { journal } = this.#parts;
    while (journal.forgetting) await journal.forgetting;
    this.#version += changes.length;
    const version = this.#version;
    const written = journal.append(...changes);
    this.#lessons?.teach(this.board);
    this.tell();
    try {
      await written;
    } catch (error) {
      // The board was reset to the one on the disk, so pages must load it again.
      this.#version++;
      this.#lessons?.teach(this.board);
      this.tell();
      throw error;
    }
    return version;
  }

  /** Forgets the steps of undo and redo, so that deleted pictures cannot come back. */
  async forget(): Promise<void> {
    await this.#parts.journal.forget();
    this.tell();
  }

  /** Calls the listener with the status, now and after each change, until the returned function is called. */
  watch(listener: (status: Status) => void): () => void {
    this.#listeners.add(listener);
    listener(this.status);
    return () => void this.#listeners.delete(listener);
  }

  /** Whether a page listens. */
  get isWatched(): boolean {
    return this.#listeners.size > 0;
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
    } else if (yes) this.#opening = this.#getUpgrade(this.#parts.upgrade as EncoderStatus);
    else {
      this.#upgrade = { ...offer, state: 'declined' };
      this.tell();
    }
  }

  /** The encoder for another session, which this session then does not close, or, if it is not loaded, the requested name. */
  lend(): string | Encoder {
    const encoder = this.#teacher?.encoder;
    if (encoder) this.#lent = true;
    return encoder ?? this.#parts.encoder;
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
    await this.#opening;
    await this.#endLessons();
    await this.#parts.journal.close();
    await this.#parts.close();
  }

  async #openEncoder(): Promise<void> {
    const wanted = this.#parts.encoder;
    try {
      const encoder = withEqualWeights(typeof wanted === 'string' ? await this.#loadEncoder(wanted) : wanted);
      this.#lent = typeof wanted !== 'string';
      if (encoder.id === BUILTIN_ID) this.#upgrade = this.#parts.upgrade;
      this.#begin(encoder);
    } catch (error) {
      this.#setEncoder({ state: 'failed', problem: problemOf(error) });
    }
  }

  #begin(encoder: Encoder): void {
    encoder.prepare?.();
    this.#teacher = this.#parts.createTeacher(encoder);
    this.#lessons = new Lessons(this.#teacher, () => this.tell());
    const opensText = encoder.textTower !== undefined;
    const readsText = encoder.embedTexts !== undefined;
    const projects = encoder.projection !== undefined;
    const { id, licence } = encoder;
    this.#setEncoder({ state: 'ready', id, licence, opensText, readsText, projects });
    this.#lessons.teach(this.board);
  }

  /** Downloads the encoder that is offered beside the built-in one. The built-in encoder is used until the download is complete. */
  async #getUpgrade(offer: EncoderStatus): Promise<void> {
    const stop = new AbortController();
    this.#stopDownload = stop;
    const tell = (upgrade: EncoderStatus | undefined) => {
      this.#upgrade = upgrade;
      this.tell();
    };
    tell({ ...offer, state: 'downloading' });
    try {
      const encoder = await this.#parts.loadEncoder(offer.id as string, {
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
        return await this.#parts.loadEncoder(wanted, {
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
    this.tell();
  }

  /** Sends the status to the listeners. */
  protected tell(): void {
    for (const listener of this.#listeners) listener(this.status);
  }
}
