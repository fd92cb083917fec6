import type { Abortable } from '../abort.ts';
import type { ClassInfo, Example, Finding } from '../dataset/types.ts';
import type { Preprocessing } from '../image/types.ts';
import type { State } from '../methods/method.ts';
import type { Summary } from '../methods/summary.ts';
import type { Interruption, Support, TextHead } from '../methods/task.ts';
import type { ThresholdPoint } from '../metrics/thresholds.ts';
import type { Choice } from '../tuning/search-method.ts';

/**
 * A picture in any accepted form: a path, a `file:` URL, a file's bytes (as an array or a Blob), pixels, or an example of a data set.
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

/** A decoded picture, row by row from the top, with three (RGB) or four (RGBA) bytes per pixel, as the web's ImageData has. */
export interface ImagePixels {
  /** Width and height in pixels. */
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** The encoder that a classifier was fitted with. No other encoder can be used with the classifier. */
export interface EncoderReference {
  readonly id: string;
  readonly fingerprint: string;
  readonly source: string;
  readonly revision?: string;
  readonly licence: string;
  readonly dimension: number;
  readonly logitScale: number;
  /** Added to zero-shot logits before the encoder's own sigmoid, if it was trained with one. */
  readonly logitBias?: number;
  /** The number of pictures that the encoder was fine-tuned on, if it was. */
  readonly fineTunedOn?: number;
  /** Absent for a classifier fitted to given features. */
  readonly preprocessing?: Preprocessing;
}

/** Information about examples in 8 bits, and the effect of rounding. */
export interface KeyStore {
  readonly type: 'int8';
  /** Largest cosine distance (1 - cosine) between an example and its rounded form. */
  readonly cosine: number;
  /** Largest difference of a probability, over at most 1,000 of the examples. */
  readonly probability: number;
  /** Share of equal answers (0 to 1) over the same examples. */
  readonly agreement: number;
}

/** One example of a classifier. */
export interface SupportExample {
  /** Its id in the data set that it came from. */
  readonly id: string;
  /** Sha256 (hex) of the picture's bytes. */
  readonly sha256: string;
  /** Thumbnail as JPEG bytes. Absent if the classifier was fitted without thumbnails. */
  readonly thumbnail?: Uint8Array;
}

/** The content of a classifier: exactly what is saved. */
export interface ClassifierData {
  readonly classes: readonly ClassInfo[];
  readonly templates: readonly string[];
  readonly encoder: EncoderReference;
  readonly head?: TextHead & { readonly prompts: readonly (readonly string[])[] };
  readonly support: Support;
  /** Precision of the examples' features. Absent for half precision. */
  readonly keys?: KeyStore;
  readonly examples: readonly SupportExample[];
  /** The sums that the method has learnt from in place of examples, which the classifier then does not have. */
  readonly summary?: Summary;
  readonly method: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly state: State;
  readonly tuning: Choice;
  /** Present if the training was interrupted: the state is that of an earlier epoch. */
  readonly interrupted?: Interruption;
  /** Answers with a lower probability are "none of these". With 0 no answer is. */
  readonly reject: number;
  readonly exif: boolean;
  readonly views: number;
  readonly shots?: number;
  readonly seed: number;
  /** The source of the examples, such as a path. */
  readonly dataset: string;
  /** ISO time of the fit. */
  readonly created: string;
  /** `tip-adapter` and its version. */
  readonly createdBy: string;
  /** Number of the version, which every change raises by one. */
  readonly version: number;
}

/** A class in an answer, with its probability. */
export interface Ranked {
  readonly id: string;
  readonly name: string;
  readonly probability: number;
}

/** The answer for a picture: the most probable class, and the probability of every class. */
export interface Prediction {
  /** The picture's path or id. */
  readonly image: string;
  /** Id and shown name of the most probable class. */
  readonly id: string;
  readonly name: string;
  /** Probability of the most probable class, 0 to 1. */
  readonly probability: number;
  /**
   * Whether the temperature was fitted to left-out examples or a split, so that a probability says how often such an answer is right. If
   * false, only the order of the classes is reliable.
   */
  readonly calibrated: boolean;
  /** Whether the probability is below the rejection threshold: "none of these". */
  readonly rejected: boolean;
  /** Present if each probability is the sigmoid of the class's own logit: they are independent and do not add up to 1. */
  readonly sigmoid?: true;
  /** Every class, most probable first. */
  readonly ranking: readonly Ranked[];
  /** Id of the transductive method, if the answer depends on the other pictures of its batch. */
  readonly transductive?: string;
  /** Id of the test-time method, if the answer depends on the pictures before it in its stream. */
  readonly testTime?: string;
}

/** A picture that could not be classified, and why. */
export interface Failure {
  readonly image: string;
  readonly error: Error;
}

/** Progress of encoding, in pictures. */
export interface Progress {
  readonly done: number;
  readonly total: number;
  /** Number of finished pictures whose features came from the cache. */
  readonly cached: number;
}

/** Options of work that can be interrupted and reports progress. */
export interface WorkOptions extends Abortable {
  onProgress?(progress: Progress): void;
}

/** Options of `predict`, `explain` and their relatives. */
export interface PredictOptions extends WorkOptions {
  /** Rejection threshold, 0 to 1, in place of the classifier's own. */
  reject?: number;
}

/** Options of `predict` and `predictEach`. */
export interface AnswerOptions extends PredictOptions {
  /**
   * Each class gets the encoder's own probability, the sigmoid of exp(logit_scale) cos + logit_bias, which does not depend on the other
   * classes (SigLIP, Zhai et al., ICCV 2023, arXiv 2303.15343). Only for zero-shot classifiers with an encoder that was trained so. The
   * classifier's own rejection threshold is not used.
   */
  sigmoid?: boolean;
}

/** The answers, and the pictures that could not be read. */
export interface Predictions {
  readonly predictions: Prediction[];
  readonly failures: Failure[];
}

/** A class with the parts of its score, which is `text` + `examples`. */
export interface ExplainedClass extends Ranked {
  /** Zero-shot part of the score, in logits. */
  readonly text: number;
  /** The part from the examples (cache methods), or the rest of the score, in logits. */
  readonly examples: number;
  readonly score: number;
}

/** The contribution of one example to an answer. */
export interface Contribution {
  /** Id of the support example. */
  readonly example: string;
  readonly classId: string;
  readonly className: string;
  /** Cosine of the example's and the picture's features, -1 to 1. */
  readonly similarity: number;
  /** Its share of the class's score in logits. All weights of a class add up to `examples`. Undefined for methods without a cache. */
  readonly weight?: number;
  readonly thumbnail?: Uint8Array;
}

/** The explanation of the answer for a picture. */
export interface Explanation {
  readonly prediction: Prediction;
  /** Most probable first. */
  readonly classes: readonly ExplainedClass[];
  /** Largest weight (or similarity) first, as many as the option asks for. */
  readonly contributions: readonly Contribution[];
  /** Name of the part that is not text: `cache` for cache methods, else `method`. */
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
  /** Whether the picture is an example of the classifier, and the probabilities come from one that has not learnt from it. */
  readonly leftOut: boolean;
}

/** The suspects among a classifier's own examples, by the answers of classifiers that had not learnt from them. */
export interface ExampleSuspects {
  readonly suspects: readonly Suspect[];
  /** Number of examples that could be left out, how many of them were answered by their label, and the number of folds. */
  readonly examples: number;
  readonly correct: number;
  readonly folds: number;
}

/** Result of evaluating a classifier on labelled pictures. Shares and probabilities are between 0 and 1. */
export interface Evaluation {
  /** Whether the probabilities are calibrated. */
  readonly calibrated: boolean;
  /** Number of classes of the rows that they are calibrated on, if it is known. */
  readonly judgedClasses?: number;
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
    /** Share of the class's pictures that were recognised. NaN for a class without pictures. */
    accuracy: number;
    /** Number of pictures with this class as the answer, and the share of right answers among them (NaN if there are none). */
    answered: number;
    precision: number;
  }[];
  /** Ids of the classes, in the order of `confusion`. */
  readonly classes: readonly string[];
  /** Counts of pictures [c, c]. Rows are true classes, columns predicted classes. */
  readonly confusion: readonly (readonly number[])[];
  /** Mean negative log-likelihood of the true class, in nats. */
  readonly nll: number;
  /** Expected calibration error with 15 bins, 0 to 1. */
  readonly ece: number;
  /** Brier score, 0 to 2. */
  readonly brier: number;
  /** Split-conformal sets of 90% coverage: share of sets that hold the true class, and mean number of classes. NaN for a single picture. */
  readonly conformal: { readonly coverage: number; readonly setSize: number };
  /** Rejection thresholds, ascending, with what each leaves: that of the classifier, and others for given shares of answered pictures. */
  readonly thresholds: readonly ThresholdPoint[];
  /** Number of pictures of unknown classes, and the AUROC of the largest probability for separating them from the others. */
  readonly unknown?: { readonly pictures: number; readonly auroc: number };
  readonly encoder: string;
  readonly method: string;
  readonly protocol: string;
  readonly seed: number;
  /** Ids of pictures left out because the classifier or its encoder has learnt from them. */
  readonly excluded: readonly string[];
  readonly failures: readonly Failure[];
  readonly findings: readonly Finding[];
  readonly suspects: readonly Suspect[];
  /**
   * Present if all pictures are examples of the classifier: the figures are then about classifiers of the same method and options that had
   * not learnt from the picture, by this number of folds.
   */
  readonly leftOutFolds?: number;
  /** The answer for each picture, with the id and the name of its true class. */
  readonly predictions: readonly (Prediction & { label: string; labelName: string })[];
  /** Duration of the evaluation, in seconds. */
  readonly seconds: number;
}
