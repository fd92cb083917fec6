import type { Abortable } from '../abort.ts';
import type { Pixels, Preprocessing } from '../image/types.ts';
import type { Matrix } from '../math/matrix.ts';
import type { Projection } from '../methods/projection.ts';
import type { TextTower } from '../methods/text-tower.ts';

/**
 * A pair of towers that embed pictures and texts in one space, or a tower that embeds only pictures. Embeddings are not normalised. Features of two encoders are never mixed:
 * `fingerprint` identifies the encoder.
 */
export interface Encoder {
  /** Name (`clip-vit-b32`, `resnet50-minilm`) or source of the encoder. */
  readonly id: string;
  /**
   * Sha256 (hex) over the source weights, their precision, preprocessing and tokenizer. Converted files are not part of it, so that
   * classifiers stay valid when the conversion changes. Formats of one model from weights have the same fingerprint.
   */
  readonly fingerprint: string;
  /** A fingerprint that earlier versions gave the encoder. Files with it are accepted too. */
  readonly formerFingerprint?: string;
  /** Dimension d of an embedding. */
  readonly dimension: number;
  /** Multiplier of cosines in zero-shot logits: 100 for CLIP, and for encoders without texts, which have no zero-shot logits. */
  readonly logitScale: number;
  /**
   * Added to zero-shot logits before the sigmoid of an encoder that was trained with it (SigLIP, Zhai et al., ICCV 2023, arXiv 2303.15343).
   * Absent for encoders that were trained with a softmax, and if it is not known.
   */
  readonly logitBias?: number;
  /** For a joined encoder, with the preprocessing of its other parts beside that of the first. */
  readonly preprocessing: Preprocessing;
  /** The parts of a joined encoder. */
  readonly joined?: Joined;
  readonly defaults: CacheDefaults;
  /** Present if the encoder was fine-tuned: the sha256 (hex) of each picture that it has learnt from. Scores on these are too good. */
  readonly fineTuned?: { readonly pictures: readonly string[] };
  readonly revision?: string;
  /** SPDX name, or `unknown`. */
  readonly licence: string;
  /** Source of the weights: `hf:owner/repo@revision`, `npm:…` or a path. */
  readonly source: string;
  /** Starts to load the image tower. Failures are thrown by `embedImages`. */
  prepare?(): void;
  /** Returns the embeddings [n, d] of n preprocessed pictures. Throws `UsageError` if their size is not the encoder's. */
  embedImages(pixels: Pixels[], work?: Abortable): Promise<Matrix>;
  /**
   * Returns the embeddings [n, d] of n texts. Tokens beyond the limit that `textLength` returns are not read. Absent if the encoder embeds
   * only pictures.
   */
  embedTexts?(texts: string[], work?: Abortable): Promise<Matrix>;
  /** No bit of a text's embedding depends on the texts beside it, so that embeddings of texts may be kept. */
  readonly embedsTextsAlone?: true;
  /** Returns the number of tokens of each text (with start and end) and the limit. Absent if texts of any length are read, or none. */
  textLength?(texts: readonly string[]): Promise<TextLength>;
  /** Returns the open text tower, for methods that learn prompts. Absent if the encoder is not built from weights. */
  textTower?(): Promise<TextTower>;
  /** Returns the image tower's projection, for methods that learn it. Absent if rows do not have the features before it. */
  projection?(): Promise<Projection>;
  /** Frees the towers. */
  close(): Promise<void>;
}

/**
 * Encoders as one, as CaFo joins models of different pre-training (Zhang et al., CVPR 2023, arXiv 2303.02151), but by their features and not
 * by their scores: a picture's row holds the unit features of all parts side by side, each times the root of its weight. The cosine of two
 * pictures is thus the weighted mean of the parts' cosines. A text's row holds the texts of the parts that read, and zeros for the others;
 * the score of a prompt is the weighted mean of the reading parts' scores.
 */
export interface Joined {
  /** In the order of their columns. */
  readonly parts: readonly JoinedPart[];
  /** Weights of the parts, which add up to 1. */
  readonly weights: readonly number[];
  /** Whether the weights are still to be chosen. Until then they are equal. */
  readonly free: boolean;
  /** The same parts with other weights. Only one of the two needs to be closed. */
  weighted(weights: readonly number[]): Encoder;
}

/** The facts about one part of a joined encoder. */
export interface JoinedPart {
  /** Name or source of the encoder. */
  readonly id: string;
  readonly fingerprint: string;
  /** Number of its columns in a row. */
  readonly dimension: number;
  /** Multiplier of its cosines in zero-shot scores. */
  readonly logitScale: number;
  /** Whether it embeds texts. */
  readonly reads: boolean;
}

/** An encoder that embeds pictures and texts. */
export type ReadingEncoder = Encoder & Required<Pick<Encoder, 'embedTexts'>>;

/** A picture's features that were computed before (`tip-adapter embed`), so that the picture need not be read. */
export interface StoredFeature {
  /** Fingerprint of the encoder. */
  readonly encoder: string;
  /** Sha256 (hex) of the picture's file. */
  readonly sha256: string;
  /** Whether the picture was rotated by its EXIF orientation. */
  readonly exif: boolean;
  /** Features of view 0, [d], not normalised. */
  readonly values: Float32Array;
}

/** The number of tokens of each text, and the largest number that the encoder reads. */
export interface TextLength {
  /** Number of tokens of each text, with start and end. */
  readonly tokens: readonly number[];
  /** Largest number of tokens that is read. */
  readonly read: number;
  /** Whether each text has letters of a script that the encoder has not learnt. Absent if that is not known. */
  readonly foreign?: readonly boolean[];
}

/** Constants for an encoder without tuning, and the ranges of a search. */
export interface CacheDefaults {
  /** alpha: weight of the cache against the text head. */
  readonly alpha: number;
  /** beta: how fast affinity falls with distance. */
  readonly beta: number;
  /** Upper ends of the searched ranges. */
  readonly maxBeta: number;
  /** Prompt template with `{}` for the class name. */
  readonly template: string;
}
