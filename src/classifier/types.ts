import type { Abortable } from '../abort.ts';
import type { ClassInfo, Example, Finding } from '../dataset/types.ts';
import type { Preprocessing } from '../image/types.ts';
import type { State } from '../methods/method.ts';
import type { Support, TextHead } from '../methods/task.ts';
import type { Choice } from '../tuning/search-method.ts';

/**
 * Where a picture comes from: a path, a `file:` URL, the bytes of a file (as an array or a Blob), pixels, or an example of a data set.
 */
export type ImageSource =
  | string
  | URL
  | Uint8Array
  | ArrayBuffer
  | Blob
  | ImagePixels
  | Pick<Example, 'id' | 'read'>;

export type { Abortable };

/** A decoded picture, row by row from the top: three (RGB) or four (RGBA) bytes a pixel, as in the web's ImageData. */
export interface ImagePixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** The encoder a classifier was fitted with; no other may be used with it. */
export interface EncoderReference {
  readonly id: string;
  readonly fingerprint: string;
  readonly source: string;
  readonly revision?: string;
  readonly licence: string;
  readonly dimension: number;
  readonly logitScale: number;
  /** Absent where features were brought along. */
  readonly preprocessing?: Preprocessing;
}

/** Examples kept in 8 bits, and what that changes. */
export interface KeyStore {
  readonly type: 'int8';
  /** Largest cosine distance of an example from what is kept of it. */
  readonly cosine: number;
  /** Largest difference of a probability, and share of equal answers, over some of the examples themselves. */
  readonly probability: number;
  readonly agreement: number;
}

/** One remembered example. */
export interface SupportExample {
  /** As in the data set it came from. */
  readonly id: string;
  /** Sha256 (hex) of the picture's bytes. */
  readonly sha256: string;
  /** A small JPEG, unless the classifier was made without. */
  readonly thumbnail?: Uint8Array;
}

/** Everything a classifier is: what is saved, and nothing else. */
export interface ClassifierData {
  readonly classes: readonly ClassInfo[];
  readonly templates: readonly string[];
  readonly encoder: EncoderReference;
  readonly head?: TextHead & { readonly prompts: readonly (readonly string[])[] };
  readonly support: Support;
  /** How the examples' features are kept; half precision where nothing is said. */
  readonly keys?: KeyStore;
  readonly examples: readonly SupportExample[];
  readonly method: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly state: State;
  readonly tuning: Choice;
  /** Answers with a lower probability are "none of these"; 0 never. */
  readonly reject: number;
  readonly exif: boolean;
  readonly views: number;
  readonly shots?: number;
  readonly seed: number;
  /** What the examples were taken from. */
  readonly dataset: string;
  /** ISO time of the fit. */
  readonly created: string;
  /** `tip-adapter` and its version. */
  readonly createdBy: string;
  /** Raised by every change. */
  readonly version: number;
}

/** A class as an answer names it. */
export interface Ranked {
  readonly id: string;
  readonly name: string;
  readonly probability: number;
}

/** What is in a picture: the most probable class, and the probability of every class. */
export interface Prediction {
  /** The picture's path or id. */
  readonly image: string;
  /** Identity and shown name of the most probable class. */
  readonly id: string;
  readonly name: string;
  /** Probability of it, 0..1. */
  readonly probability: number;
  /**
   * Whether probabilities were fitted to left-out examples or a split, so that they say how often such an answer is right. Where not,
   * the order of the classes can be believed, and the numbers cannot.
   */
  readonly calibrated: boolean;
  /** True where the probability is below the rejection threshold: "none of these". */
  readonly rejected: boolean;
  /** Every class, most probable first. */
  readonly ranking: readonly Ranked[];
}

/** A picture that could not be classified, and why. */
export interface Failure {
  readonly image: string;
  readonly error: Error;
}

/** How many of the pictures are encoded. */
export interface Progress {
  readonly done: number;
  readonly total: number;
  /** How many of them came from the feature cache. */
  readonly cached: number;
}

/** What can be stopped, and says how far it is. */
export interface WorkOptions extends Abortable {
  onProgress?(progress: Progress): void;
}

/** A class's score by its parts: text and examples add up to it. */
export interface ExplainedClass extends Ranked {
  /** Zero-shot part of the score. */
  readonly text: number;
  /** The examples' part (cache methods), or the rest of the score. */
  readonly examples: number;
  readonly score: number;
}

/** What one example had to do with an answer. */
export interface Contribution {
  /** Id of the support example. */
  readonly example: string;
  readonly classId: string;
  readonly className: string;
  /** Cosine with the picture. */
  readonly similarity: number;
  /** What it adds to its class's score; undefined for methods without a cache. All weights of a class add up to `examples`. */
  readonly weight?: number;
  readonly thumbnail?: Uint8Array;
}

/** Why a picture got its answer. */
export interface Explanation {
  readonly prediction: Prediction;
  /** Most probable first. */
  readonly classes: readonly ExplainedClass[];
  /** Largest weight (or similarity) first; as many as were asked for. */
  readonly contributions: readonly Contribution[];
  /** Name of the part beside the text: `cache` for cache methods, else `method`. */
  readonly part: 'cache' | 'method';
}

/** A label that is probably wrong. */
export interface Suspect {
  readonly image: string;
  readonly label: string;
  readonly predicted: string;
  /** Probability of the given label, and of the predicted class. */
  readonly labelProbability: number;
  readonly predictedProbability: number;
}

/** How a classifier did on labelled pictures. Shares and probabilities lie between 0 and 1. */
export interface Evaluation {
  /** Whether the probabilities are calibrated. */
  readonly calibrated: boolean;
  readonly accuracy: number;
  readonly correct: number;
  readonly total: number;
  /** 95% Wilson interval of the accuracy. */
  readonly interval: readonly [number, number];
  readonly perClass: readonly {
    id: string;
    name: string;
    correct: number;
    total: number;
    /** Share of the class's pictures that were recognised; NaN where there is none. */
    accuracy: number;
    /** Pictures that were answered with the class, and the share of them that are of it; NaN where there is none. */
    answered: number;
    precision: number;
  }[];
  readonly classes: readonly string[];
  /** Rows are true classes, columns predicted ones. */
  readonly confusion: readonly (readonly number[])[];
  readonly nll: number;
  readonly ece: number;
  /** Brier score, 0..2. */
  readonly brier: number;
  /** Split-conformal sets that may miss a tenth: share that hold the true class, and mean size; NaN for a single picture. */
  readonly conformal: { readonly coverage: number; readonly setSize: number };
  /** Pictures of classes it does not know, and how well its largest probability tells them from the others (AUROC). */
  readonly unknown?: { readonly pictures: number; readonly auroc: number };
  readonly encoder: string;
  readonly method: string;
  readonly protocol: string;
  readonly seed: number;
  /** Pictures left out because the classifier has them as examples. */
  readonly excluded: readonly string[];
  readonly failures: readonly Failure[];
  readonly findings: readonly Finding[];
  readonly suspects: readonly Suspect[];
  readonly predictions: readonly (Prediction & { label: string; labelName: string })[];
  readonly seconds: number;
}
