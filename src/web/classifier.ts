import type { RefitValues } from '../classifier/refit.ts';
import type { Removal } from '../classifier/remove.ts';
import type { Explanation, Failure, Prediction, Predictions, Progress } from '../classifier/types.ts';
import { closedError, errorAbout, throwIfAborted } from '../errors.ts';
import type { Connection } from './connection.ts';
import type { ClassifierInfo } from './info.ts';
import type { Opened, SentError, Unread } from './protocol.ts';
import { sentPicture, type WebImage } from './source.ts';

/** Options of calls that can be stopped. If the signal fires, the call rejects with `InterruptedError` at once. */
export interface WebWork {
  signal?: AbortSignal;
  /** Receives the number of finished pictures. */
  onProgress?(progress: Progress): void;
}

/** Options of `predict`. */
export interface WebPredictOptions extends WebWork {
  /** Rejection threshold, 0 to 1, in place of the classifier's own. */
  reject?: number;
}

/** A picture with its label: the id or shown name of a class. Another name becomes a new class. */
export interface WebExample {
  readonly image: WebImage;
  readonly label: string;
}

const released = new FinalizationRegistry<{ connection: Connection; classifier: number }>(
  ({ connection, classifier }) => connection.release(classifier),
);

/**
 * A classifier in a page. It does not change: `add`, `remove`, `refit` and `withReject` return a new one, which uses the same worker and
 * encoder. `close` ends the worker, for all of them.
 */
export class WebClassifier {
  readonly info: ClassifierInfo;
  /** Where the encoder was opened. A GPU that fails later is replaced by the CPU. */
  readonly device: 'webgpu' | 'cpu';
  readonly #connection: Connection;
  readonly #classifier: number;

  /** @internal Classifiers come from `open`. */
  constructor(connection: Connection, { classifier, info, device }: Opened) {
    this.info = info;
    this.device = device;
    this.#connection = connection;
    this.#classifier = classifier;
    released.register(this, { connection, classifier });
  }

  /** Classifies a picture. Throws `DataError` if it cannot be read. */
  async predict(image: WebImage, options?: WebPredictOptions): Promise<Prediction>;
  /** Classifies pictures. Unreadable pictures are returned in `failures` and do not throw. */
  async predict(images: readonly WebImage[], options?: WebPredictOptions): Promise<Predictions>;
  async predict(
    images: WebImage | readonly WebImage[],
    { signal, onProgress, ...options }: WebPredictOptions = {},
  ): Promise<Prediction | Predictions> {
    const isOne = !Array.isArray(images);
    const sent = await Promise.all(
      (isOne ? [images as WebImage] : (images as readonly WebImage[])).map(sentPicture),
    );
    const answers = await this.#connection.call(
      'predict',
      [this.#classifier, sent.map(({ picture }) => picture), options],
      { signal, onProgress },
      sent.flatMap(({ transfer }) => transfer),
    );
    const failures: Failure[] = [];
    const predictions: Prediction[] = [];
    for (const answer of answers) {
      if (!isUnread(answer)) predictions.push(answer);
      else failures.push({ image: answer.image, error: this.#connection.error(answer.failed) });
    }
    if (!isOne) return { predictions, failures };
    const [failure] = failures;
    if (failure) throw errorAbout(failure.image, failure.error);
    return predictions[0]!;
  }

  /**
   * Classifies a video for as long as the loop that reads the answers runs: each answer is for the frame that is shown when the loop
   * asks for it, so a slow device skips frames and never falls behind. Ends when the signal fires, or the video ends or loses its source.
   * Rejects when the classifier is closed.
   */
  async *predictLive(video: HTMLVideoElement, options: WebPredictOptions = {}): AsyncGenerator<Prediction> {
    const { signal } = options;
    const { closed } = this.#connection;
    while (!isOver(video) && !signal?.aborted) {
      const there = await nextFrame(video, signal ? AbortSignal.any([signal, closed]) : closed);
      if (closed.aborted) throw closedError('classifier');
      if (!there) return;
      try {
        yield await this.predict(video, options);
      } catch (error) {
        if (signal?.aborted) return;
        throw error;
      }
    }
  }

  /** Explains the answer for a picture: the parts of each class's score, and the share of each example. */
  async explain(
    image: WebImage,
    { signal, onProgress, ...options }: WebPredictOptions & { examples?: number } = {},
  ): Promise<Explanation> {
    const { picture, transfer } = await sentPicture(image);
    const work = { signal, onProgress };
    return this.#connection.call('explain', [this.#classifier, picture, options], work, transfer);
  }

  /**
   * Returns a new classifier with further examples and, if their labels are new, further classes. Its method's options stay. This
   * classifier does not learn: use the returned one.
   */
  async add(examples: readonly WebExample[], work: WebWork = {}): Promise<WebClassifier> {
    const sent = await Promise.all(
      examples.map(async ({ image, label }) => ({ ...(await sentPicture(image)), label })),
    );
    throwIfAborted(work.signal);
    const given = sent.map(({ picture, label }) => ({ picture, label }));
    const transfer = sent.flatMap((one) => one.transfer);
    return this.#next(await this.#connection.call('add', [this.#classifier, given], work, transfer));
  }

  /** Returns a new classifier without some examples or classes, given by id or shown name. Throws `UsageError` for unknown ones. */
  async remove(removal: Removal, work: WebWork = {}): Promise<WebClassifier> {
    return this.#next(await this.#connection.call('remove', [this.#classifier, removal], work));
  }

  /** Returns a classifier of the same examples with another method, other options or fewer shots. Nothing is encoded again. */
  async refit(values: RefitValues, work: WebWork = {}): Promise<WebClassifier> {
    return this.#next(await this.#connection.call('refit', [this.#classifier, values], work));
  }

  /** Returns the same classifier with another rejection threshold: it answers "none of these" below this probability. */
  async withReject(reject: number): Promise<WebClassifier> {
    return this.#next(await this.#connection.call('withReject', [this.#classifier, reject]));
  }

  /** The bytes of the classifier's file, which `tip-adapter predict` and `load` open. */
  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return this.#connection.call('bytes', [this.#classifier]);
  }

  /** Saves the classifier's file as a download of the browser. */
  async save(name: string): Promise<void> {
    const url = URL.createObjectURL(new Blob([await this.bytes()], { type: 'application/octet-stream' }));
    const link = Object.assign(document.createElement('a'), { href: url, download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  }

  /** Ends the worker and frees its memory. Calls that run reject. */
  async close(): Promise<void> {
    this.#connection.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #next(opened: Opened): WebClassifier {
    return new WebClassifier(this.#connection, opened);
  }
}

function isUnread(answer: Prediction | Unread): answer is Unread {
  return 'failed' in (answer as { failed?: SentError });
}

/** Whether a video has ended or has no source, as after a camera's `close`. */
function isOver(video: HTMLVideoElement): boolean {
  const hasSource = video.srcObject || video.hasAttribute('src') || video.querySelector('source');
  return video.ended || !hasSource;
}

/** Waits for the next frame of a video. Resolves with false if the signal fires, or the video ends or loses its source first. */
function nextFrame(video: HTMLVideoElement, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const stop = new AbortController();
    const settle = (there: boolean) => {
      video.cancelVideoFrameCallback?.(request);
      stop.abort();
      resolve(there);
    };
    const { signal: own } = stop;
    let request = 0;
    if (signal.aborted) return settle(false);
    signal.addEventListener('abort', () => settle(false), { signal: own });
    // A video that gets another source is emptied too.
    for (const event of ['ended', 'emptied'])
      video.addEventListener(event, () => isOver(video) && settle(false), { signal: own });
    // A browser without this callback gives the frame that is shown at the next repaint.
    if (video.requestVideoFrameCallback) request = video.requestVideoFrameCallback(() => settle(true));
    else requestAnimationFrame(() => settle(true));
  });
}
