import type { Abortable } from '../abort.ts';
import type { Pixels, Preprocessing } from '../image/types.ts';
import type { Matrix } from '../math/matrix.ts';
import type { TextTower } from '../methods/text-tower.ts';

/**
 * A pair of towers that put pictures and texts into one space. Embeddings are as the model gives them (not unit rows):
 * features of two encoders are never mixed, and `fingerprint` tells them apart.
 */
export interface Encoder {
  /** Registered name (`clip-vit-b32`, `resnet50-minilm`), or where the encoder came from. */
  readonly id: string;
  /**
   * Sha256 (hex) over the source weights, their precision and the meaning of preprocessing and tokenizer; never over
   * converted bytes, so that a better converter orphans no classifier.
   */
  readonly fingerprint: string;
  /** Numbers in an embedding. */
  readonly dimension: number;
  /** What cosines are multiplied by to become zero-shot logits: 100 for CLIP. */
  readonly logitScale: number;
  readonly preprocessing: Preprocessing;
  readonly defaults: CacheDefaults;
  readonly revision?: string;
  /** SPDX name, or `unknown`. */
  readonly licence: string;
  /** Where the weights came from: `hf:owner/repo@revision`, `npm:…`, a path. */
  readonly source: string;
  /** Begins to load the image tower, so that it is ready when the first pixels are; failures show at `embedImages`. */
  prepare?(): void;
  /** Raw embeddings [n, d]. Throws `UsageError` where pixels do not have the encoder's size. */
  embedImages(pixels: Pixels[], work?: Abortable): Promise<Matrix>;
  /** Raw embeddings [n, d]. Of a text with more tokens than `textLength` says the end is not read. */
  embedTexts(texts: string[], work?: Abortable): Promise<Matrix>;
  /** Tokens of each text, start and end included, and how many of them are read; missing where texts of any length are. */
  textLength?(texts: readonly string[]): Promise<TextLength>;
  /** The open text tower, for methods that learn prompts; missing where the encoder is not built from weights. */
  textTower?(): Promise<TextTower>;
  /** Frees both towers. */
  close(): Promise<void>;
}

/** Tokens of each text, and how many of them the encoder reads at most. */
export interface TextLength {
  readonly tokens: readonly number[];
  readonly read: number;
}

/** What suits an encoder's space where nothing was tuned, and how far a search should look. */
export interface CacheDefaults {
  /** Weight of the cache against zero-shot. */
  readonly alpha: number;
  /** Sharpness of the affinity. */
  readonly beta: number;
  /** Upper ends of a search. */
  readonly maxAlpha: number;
  readonly maxBeta: number;
  /** Prompt template; `{}` stands for the class name. */
  readonly template: string;
}
