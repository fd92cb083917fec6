import { Refusal } from './problem.ts';

interface AdmissionOptions {
  /** Largest number of pictures that wait or are being answered. The last admitted request may exceed it. */
  readonly queue: number;
  /** Largest size of all request bodies in memory, in bytes. */
  readonly bytes: number;
  /** Milliseconds within which a request must be answered. A request that would wait longer is refused at once. */
  readonly deadline: number;
}

/** Facts of a request that admission depends on. */
interface Stay {
  /** Milliseconds within which its pictures must be done. */
  readonly deadline: number;
  /** Whether its duration is used to predict waiting times. Changes are not: they wait for other programs, and refit. */
  readonly paced: boolean;
}

/** The measurement that is assumed at the start: the number of pictures, and milliseconds for each. */
const FIRST_GUESS = { pictures: 10, each: 50 };

/** Factor by which the weight of earlier measurements shrinks with each picture: the last fifty pictures determine most of the mean. */
const MEMORY = 0.98;

/** A request is admitted only if its pictures should be done within this share of its deadline, because a machine's speed varies. */
const SURE_SHARE = 0.4;

/**
 * Admits or refuses requests. It limits the pictures, bytes and expected waiting time of admitted requests. However many requests
 * arrive, memory is bounded, and admitted requests are answered in time; the others are told at once when to try again.
 */
export class Admission {
  readonly #options: AdmissionOptions;
  #pictures = 0;
  #bytes = 0;
  /** Weighted number of finished pictures, and the busy time in milliseconds that they took. */
  #finished = FIRST_GUESS.pictures;
  #busy = FIRST_GUESS.pictures * FIRST_GUESS.each;
  #busySince?: number;
  /** Number of admitted pictures whose duration is measured. */
  #paced = 0;
  #closed = false;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** Number of pictures that wait or are being answered. */
  get pictures(): number {
    return this.#pictures;
  }

  /** Size of all request bodies in memory, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether all new requests are refused, because the server shuts down. */
  get draining(): boolean {
    return this.#closed;
  }

  /** Refuses all new requests from now on. */
  close(): void {
    this.#closed = true;
  }

  /** Throws a `Refusal` (503) if no request can be admitted now. Called before a request's body is read. */
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
   * Admits `pictures` pictures. Call the returned function when they are done or abandoned. Throws a `Refusal` (503) as `check` does,
   * and if the pictures would not be done in time after those already admitted. A request whose body was arriving when the server
   * began to shut down is still admitted.
   */
  enter(pictures: number, { deadline, paced }: Stay): (done: boolean) => void {
    this.#checkRoom();
    // If no pictures are waiting, any number is admitted: otherwise, after one slow measurement, the server might never measure again.
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

  /** Reserves memory for a body's next bytes; `free` releases it. Throws a `Refusal` (503) if there is not enough. */
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
    // Pictures of one batch finish together, so the speed follows only from the two sums.
    const kept = MEMORY ** pictures;
    this.#finished = kept * this.#finished + pictures;
    this.#busy = kept * this.#busy + now - since;
  }

  /** Expected milliseconds until all admitted pictures are done. */
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
