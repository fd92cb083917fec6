import { Refusal } from './problem.ts';

interface AdmissionOptions {
  /** Pictures that may be waiting or worked on; the last request let in may go beyond. */
  readonly queue: number;
  /** Bytes of request bodies that may be held at a time. */
  readonly bytes: number;
  /** Milliseconds within which a request must be answered: what would have to wait longer is refused at once. */
  readonly deadline: number;
}

/** How a request's pictures are worked on. */
interface Stay {
  /** Milliseconds within which they are to be done. */
  readonly deadline: number;
  /** Whether how long they take says how long others will: not of changes, which wait for other programs and fit again. */
  readonly paced: boolean;
}

/** What is taken to have been measured before anything was: so many pictures, so many milliseconds each. */
const FIRST_GUESS = { pictures: 10, each: 50 };

/** What a measurement still counts for after another picture: about the last fifty decide. */
const MEMORY = 0.98;

/** Whoever would have to wait longer than this share of the deadline is refused: machines are not always equally fast. */
const SURE_SHARE = 0.4;

/**
 * Decides who may come in. What is let in is bounded in pictures, bytes and expected waiting time, so that whatever number of
 * requests comes, memory stays flat and those let in are answered in time; the others learn at once when to come again.
 */
export class Admission {
  readonly #options: AdmissionOptions;
  #pictures = 0;
  #bytes = 0;
  /** Pictures finished lately, and the milliseconds that it took while there was always one to do. */
  #finished = FIRST_GUESS.pictures;
  #busy = FIRST_GUESS.pictures * FIRST_GUESS.each;
  #busySince?: number;
  /** Pictures here that are paced. */
  #paced = 0;
  #closed = false;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** Pictures waiting or being worked on. */
  get pictures(): number {
    return this.#pictures;
  }

  /** Bytes of request bodies in memory. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether no one is let in any more. */
  get draining(): boolean {
    return this.#closed;
  }

  /** Lets no one in any more. */
  close(): void {
    this.#closed = true;
  }

  /** Throws a `Refusal` (503) where a request could not be let in now: looked at before its body is read. */
  check(): void {
    if (this.#closed) {
      throw new Refusal(503, 'The server is shutting down', {
        code: 'server/draining',
        hint: 'Send the request again when the server is back.',
        headers: { 'retry-after': '5' },
      });
    }
    this.#checkRoom();
  }

  /**
   * Lets `pictures` in; call the returned function when they are done, or given up. Throws as `check` does, but for a server
   * that shuts down: whose body was still on its way then is answered; and where so many would not be done in time behind
   * those that are here.
   */
  enter(pictures: number, { deadline, paced }: Stay): (done: boolean) => void {
    this.#checkRoom();
    // With no one before it any number may try: otherwise a pace that was slow once would never be measured again.
    if (this.#pictures > 0 && this.#timeOf(this.#pictures + pictures) > deadline) throw this.#refusal();
    if (paced && this.#paced === 0) this.#busySince = performance.now();
    const measurable = paced ? pictures : 0;
    this.#pictures += pictures;
    this.#paced += measurable;
    return (done) => {
      this.#pictures -= pictures;
      this.#paced -= measurable;
      if (paced) this.#measure(done ? pictures : 0);
    };
  }

  /** Makes room for a body's next bytes; they are given back with `free`. Throws a `Refusal` (503) where there is none. */
  hold(bytes: number): void {
    if (this.#bytes + bytes > this.#options.bytes) throw this.#refusal();
    this.#bytes += bytes;
  }

  free(bytes: number): void {
    this.#bytes -= bytes;
  }

  #checkRoom(): void {
    const { queue, deadline } = this.#options;
    if (this.#pictures >= queue || this.#wait > SURE_SHARE * deadline) throw this.#refusal();
  }

  #measure(pictures: number): void {
    const now = performance.now();
    const since = this.#busySince ?? now;
    this.#busySince = now;
    if (pictures === 0) return;
    // Pictures of one batch are finished at once: only the two sums tell how fast they are.
    const kept = MEMORY ** pictures;
    this.#finished = kept * this.#finished + pictures;
    this.#busy = kept * this.#busy + now - since;
  }

  /** Milliseconds until everything that is here now is done. */
  get #wait(): number {
    return this.#timeOf(this.#pictures);
  }

  #timeOf(pictures: number): number {
    return (pictures * this.#busy) / this.#finished;
  }

  #refusal(): Refusal {
    const seconds = Math.max(1, Math.ceil(this.#wait / 1000));
    return new Refusal(503, 'The server is fully loaded', {
      code: 'server/busy',
      hint: `Send the request again in ${seconds} s.`,
      details: { pictures: this.#pictures, bytes: this.#bytes },
      headers: { 'retry-after': String(seconds) },
    });
  }
}
