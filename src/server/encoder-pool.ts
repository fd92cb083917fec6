import { type EncoderSession, lentSession, sessionFor } from '../classifier/encoder-session.ts';
import type { EncoderReference } from '../classifier/types.ts';
import type { Encoder } from '../encoder/types.ts';
import type { ImageLoader } from '../image/loader.ts';
import { blankPixels } from '../image/preprocess.ts';
import { traced } from '../tracing.ts';
import { batching } from './batching.ts';

export interface EncoderPoolOptions {
  /** Opens the encoder that a classifier refers to. Throws `ModelError` if the encoder is missing or its fingerprint differs. */
  readonly open?: (reference: EncoderReference) => Promise<Encoder>;
  /** Decodes pictures, for all classifiers. */
  readonly loader: ImageLoader;
  /** Called with the number of crops of each batch. */
  onBatch(size: number): void;
}

/** An encoder that a classifier uses until it releases it. */
export interface BorrowedEncoder {
  readonly session: EncoderSession;
  release(): Promise<void>;
}

interface Shared {
  readonly encoder: Promise<Encoder>;
  borrowers: number;
}

/** The encoders in memory. Classifiers with the same encoder share it and its batches. When the last one releases it, it is freed. */
export class EncoderPool {
  readonly #options: EncoderPoolOptions;
  readonly #shared = new Map<string, Shared>();

  constructor(options: EncoderPoolOptions) {
    this.#options = options;
  }

  /** Returns an encoder that is ready: its model is loaded and has embedded a blank picture. */
  async borrow(reference: EncoderReference): Promise<BorrowedEncoder> {
    const { fingerprint } = reference;
    let shared = this.#shared.get(fingerprint);
    if (!shared) {
      shared = { encoder: this.#open(reference), borrowers: 0 };
      this.#shared.set(fingerprint, shared);
    }
    const own = shared;
    own.borrowers++;
    const release = async () => {
      own.borrowers--;
      if (own.borrowers > 0) return;
      if (this.#shared.get(fingerprint) === own) this.#shared.delete(fingerprint);
      await (await own.encoder.catch(() => undefined))?.close();
    };
    try {
      // There is no feature cache, because it would grow with every picture that a client sends.
      return { session: lentSession(await own.encoder, tracedLoader(this.#options.loader)), release };
    } catch (error) {
      await release();
      throw error;
    }
  }

  async #open(reference: EncoderReference): Promise<Encoder> {
    // A server that downloads for minutes before it answers looks broken to the program that started it.
    const { open = (wanted: EncoderReference) => sessionFor(wanted, undefined, { pull: false }).encoder() } =
      this.#options;
    const encoder = await open(reference);
    await encoder.embedImages([blankPixels(encoder.preprocessing)]);
    return batching(encoder, this.#options.onBatch);
  }
}

/** The same loader, with a span for each picture that it decodes and resizes. */
function tracedLoader(loader: ImageLoader): ImageLoader {
  const load: ImageLoader['load'] = (bytes, ...given) =>
    traced('decode', { 'tip_adapter.bytes': bytes.length }, () => loader.load(bytes, ...given));
  return { ...loader, load };
}
