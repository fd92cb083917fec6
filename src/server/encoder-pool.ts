import { type EncoderSession, lentSession, sessionFor } from '../classifier/encoder-session.ts';
import type { EncoderReference } from '../classifier/types.ts';
import type { Encoder } from '../encoder/types.ts';
import type { ImageLoader } from '../image/loader.ts';
import { batching } from './batching.ts';

export interface EncoderPoolOptions {
  /** Opens the encoder that a classifier refers to; throws `ModelError` where it is another one or not there. */
  readonly open?: (reference: EncoderReference) => Promise<Encoder>;
  /** Decodes pictures, for all classifiers. */
  readonly loader: ImageLoader;
  /** Told how many crops are embedded together. */
  onBatch(size: number): void;
}

/** What a classifier works with until it is given back. */
export interface BorrowedEncoder {
  readonly session: EncoderSession;
  release(): Promise<void>;
}

interface Shared {
  readonly encoder: Promise<Encoder>;
  borrowers: number;
}

/** The encoders in memory: classifiers of one encoder share it, its batches and the image loader; the last one frees it. */
export class EncoderPool {
  readonly #options: EncoderPoolOptions;
  readonly #shared = new Map<string, Shared>();

  constructor(options: EncoderPoolOptions) {
    this.#options = options;
  }

  /** Ready to embed: its model is loaded and has embedded a blank picture. */
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
      // Nothing that a client sends is kept, so there is no feature cache: it would grow with every picture.
      return { session: lentSession(await own.encoder, this.#options.loader), release };
    } catch (error) {
      await release();
      throw error;
    }
  }

  async #open(reference: EncoderReference): Promise<Encoder> {
    const { open = (wanted: EncoderReference) => sessionFor(wanted).encoder() } = this.#options;
    const encoder = await open(reference);
    const side = encoder.preprocessing.crop;
    await encoder.embedImages([{ width: side, height: side, data: new Uint8Array(3 * side * side) }]);
    return batching(encoder, this.#options.onBatch);
  }
}
