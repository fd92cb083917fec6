import type { Classifier } from '../classifier/classifier.ts';
import { chooseEncoder } from '../encoder/choose.ts';
import { loadEncoder } from '../encoder/local.ts';
import type { PullPlan } from '../encoder/pull.ts';
import type { Encoder } from '../encoder/types.ts';
import { sharedEngine } from '../engine/node.ts';
import { createImageLoader } from '../image/loader.ts';
import type { Board } from './board.ts';
import type { Change } from './history.ts';
import { type Journal, openJournal } from './journal.ts';
import { Lessons } from './lessons.ts';
import { openPictures, type Pictures } from './pictures.ts';
import { type EncoderStatus, problemOf, type Status } from './status.ts';
import { createTeacher, type Teacher } from './teacher.ts';

export interface SessionOptions {
  /** Folder of the session; made when it is missing. */
  readonly folder: string;
  /** A name, or an encoder that is loaded already (the caller closes it). */
  readonly encoder?: string | Encoder;
}

/** One person's work: the board and its journal, the pictures, the encoder, and the classifier that is always up to date. */
export class Session {
  readonly pictures: Pictures;
  readonly #journal: Journal;
  readonly #loader: ReturnType<typeof createImageLoader>;
  readonly #listeners = new Set<(status: Status) => void>();
  readonly #end = new AbortController();
  #encoder: EncoderStatus = { state: 'loading' };
  #agree?: (yes: boolean) => void;
  #teacher?: Teacher;
  #lessons?: Lessons;
  #lent = false;
  #opening: Promise<void> = Promise.resolve();
  #version = 0;

  private constructor(folder: string, journal: Journal) {
    this.#journal = journal;
    this.#loader = createImageLoader();
    this.pictures = openPictures(folder, this.#loader);
  }

  /** Opens the session where it was left. The encoder is opened meanwhile; where it must be downloaded, the page is asked. */
  static async open({ folder, encoder = 'auto' }: SessionOptions): Promise<Session> {
    const session = new Session(folder, await openJournal(folder));
    session.#opening = session.#openEncoder(encoder);
    return session;
  }

  get board(): Board {
    return this.#journal.history.board;
  }

  /** Number of changes since the session was opened: whoever has another one has another board. */
  get version(): number {
    return this.#version;
  }

  get status(): Status {
    const { past, future } = this.#journal.history;
    return {
      version: this.#version,
      undo: past.length,
      redo: future.length,
      encoder: this.#encoder,
      ...(this.#lessons?.status ?? { teaching: { stage: 'waiting' } }),
    };
  }

  /** The classifier that answers; undefined until there are two classes with pictures. */
  get answering(): Classifier | undefined {
    return this.#lessons?.answering;
  }

  get lessons(): Lessons | undefined {
    return this.#lessons;
  }

  /** Makes a change, on the board and on the disk, and teaches what it changed. */
  async change(change: Change): Promise<void> {
    this.#version++;
    const written = this.#journal.append(change);
    this.#lessons?.teach(this.board);
    this.#tell();
    await written;
  }

  /** Calls with the status now and after whatever changes it, until the returned function is called. */
  watch(listener: (status: Status) => void): () => void {
    this.#listeners.add(listener);
    listener(this.status);
    return () => this.#listeners.delete(listener);
  }

  /** The person's answer to a download that was offered. */
  answerDownload(yes: boolean): void {
    this.#agree?.(yes);
  }

  async close(): Promise<void> {
    this.#end.abort();
    this.#agree?.(false);
    await this.#opening;
    await this.#lessons?.close();
    await this.#teacher?.close();
    if (!this.#lent) await this.#teacher?.encoder.close();
    await this.#loader.close();
    await this.#journal.close();
  }

  async #openEncoder(wanted: string | Encoder): Promise<void> {
    try {
      const encoder = typeof wanted === 'string' ? await this.#loadEncoder(wanted) : wanted;
      this.#lent = typeof wanted !== 'string';
      encoder.prepare?.();
      this.#teacher = createTeacher(encoder, this.pictures, this.#loader);
      this.#lessons = new Lessons(this.#teacher, () => this.#tell());
      this.#setEncoder({ state: 'ready', id: encoder.id, licence: encoder.licence });
      this.#lessons.teach(this.board);
    } catch (error) {
      this.#setEncoder({ state: 'failed', problem: problemOf(error) });
    }
  }

  async #loadEncoder(wanted: string): Promise<Encoder> {
    const { signal } = this.#end;
    const { name } = await chooseEncoder(wanted, { signal });
    return loadEncoder(name, {
      engine: sharedEngine(),
      signal,
      confirm: (plan) => this.#offer(plan),
      onProgress: ({ step, received, total }) =>
        this.#setEncoder({ ...this.#encoder, state: 'downloading', step, received, total }),
    });
  }

  #offer({ id, source, bytes, licence }: PullPlan): Promise<boolean> {
    this.#setEncoder({ state: 'offered', id, source, bytes, licence });
    return new Promise((resolve) => {
      this.#agree = resolve;
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
