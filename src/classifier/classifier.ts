import { waitFor } from '../abort.ts';
import type { Dataset, Finding } from '../dataset/types.ts';
import { signalOf } from '../deprecation.ts';
import type { EncodedImages } from '../encoder/encode.ts';
import type { Encoder } from '../encoder/types.ts';
import { sharedEngine } from '../engine/node.ts';
import { closedError, errorAbout, throwIfAborted, UsageError } from '../errors.ts';
import { type Matrix, row, softmax, softmaxRows } from '../math/matrix.ts';
import { methodById } from '../methods/index.ts';
import { createScorer, type Scorer } from '../methods/score.ts';
import { isCalibrated } from '../tuning/search-method.ts';
import { addExamples, type NewExample } from './add.ts';
import { checkedOptions, checkedReject, explainOptions, predictOptions } from './answer-options.ts';
import { taskOf } from './classifier-task.ts';
import { type EncoderSession, sessionFor, type ThumbnailOptions } from './encoder-session.ts';
import { evaluate } from './evaluate.ts';
import { explainRow, scoresOfTerms } from './explain.ts';
import { type FileOptions, readClassifier, writeClassifier } from './file.ts';
import { isList, readSource } from './image-source.ts';
import { type RefitValues, refitMethod } from './refit.ts';
import { type Removal, removeParts } from './remove.ts';
import { type EvaluateOptions, encodeTestSet, type TestSet } from './test-set.ts';
import type {
  Abortable,
  ClassifierData,
  Evaluation,
  Explanation,
  Failure,
  ImageSource,
  Prediction,
  WorkOptions,
} from './types.ts';

/** How pictures are classified. */
export interface PredictOptions extends WorkOptions {
  /** Overrides the classifier's own rejection threshold. */
  reject?: number;
}

/** Answers, and the pictures that could not be read. */
export interface Predictions {
  readonly predictions: Prediction[];
  readonly failures: Failure[];
}

/** How an answer is explained. */
export interface ExplainOptions extends PredictOptions {
  /** Examples that are told of, those that count most (default: all; a hundred where they stay in a file). */
  examples?: number;
}

/** Pictures encoded together when predictions are streamed: enough to keep decoding and inference busy side by side. */
const STREAM_CHUNK = 64;

/**
 * A fitted classifier: what is in `data` is what its file holds. It does not change: `add` and `remove` give a new one.
 * Its encoder is opened at the first picture that is not in the feature cache's reach; `close` frees it. After that only `data`,
 * `save` and `withReject` can be used: all else throws `UsageError` `classifier/closed`.
 */
export class Classifier {
  readonly data: ClassifierData;
  /** What was noticed about the pictures while fitting or adding; not saved. */
  readonly findings: readonly Finding[];
  readonly #session: EncoderSession;
  #scorer?: Promise<Scorer>;
  #closed = false;

  /** @internal Classifiers come from `fit` and `load`. */
  constructor(data: ClassifierData, session: EncoderSession, findings: readonly Finding[] = []) {
    this.data = data;
    this.findings = findings;
    this.#session = session;
  }

  /** Whether its probabilities were fitted to examples that were left out, or to a split. */
  get calibrated(): boolean {
    return isCalibrated(this.data.tuning);
  }

  /** Scores [m, c] of embeddings as the encoder gives them, [m, d], in the order of `data.classes`. */
  async scores(features: Matrix, work?: Abortable): Promise<Matrix>;
  /** @deprecated Until 0.2: give `{ signal }`. */
  async scores(features: Matrix, signal: AbortSignal): Promise<Matrix>;
  async scores(features: Matrix, work: Abortable | AbortSignal = {}): Promise<Matrix> {
    const signal = signalOf(work);
    return (await waitFor(this.#scoring(), signal)).scores(features, { signal });
  }

  /** Probabilities [m, c] of embeddings as the encoder gives them, [m, d]; `calibrated` says whether they can be believed. */
  async probabilities(features: Matrix, work?: Abortable): Promise<Matrix>;
  /** @deprecated Until 0.2: give `{ signal }`. */
  async probabilities(features: Matrix, signal: AbortSignal): Promise<Matrix>;
  async probabilities(features: Matrix, work: Abortable | AbortSignal = {}): Promise<Matrix> {
    const scores = await this.scores(features, { signal: signalOf(work) });
    return softmaxRows(scores, this.data.tuning.temperature);
  }

  /** What is in a picture. Throws `DataError` where it cannot be read. */
  async predict(image: ImageSource, options?: PredictOptions): Promise<Prediction>;
  /** What is in each picture. Unreadable pictures are listed beside the answers, not thrown. */
  async predict(images: readonly ImageSource[], options?: PredictOptions): Promise<Predictions>;
  async predict(
    images: ImageSource | readonly ImageSource[],
    options: PredictOptions = {},
  ): Promise<Prediction | Predictions> {
    if (!isList(images)) {
      const answer = (await this.#answers([images], options))[0]!;
      if (isFailure(answer)) throw errorAbout(answer.image, answer.error);
      return answer;
    }
    const answers = await this.#answers(images, options);
    return {
      predictions: answers.filter((answer): answer is Prediction => !isFailure(answer)),
      failures: answers.filter(isFailure),
    };
  }

  /** The same as a stream, in order: for any number of pictures in bounded memory. */
  async *predictEach(
    images: AsyncIterable<ImageSource> | Iterable<ImageSource>,
    options: PredictOptions = {},
  ): AsyncGenerator<Prediction | Failure> {
    this.#open();
    // One chunk is worked on while the one before is handed out.
    let ahead: Promise<(Prediction | Failure)[]> | undefined;
    for await (const chunk of chunks(images, STREAM_CHUNK)) {
      throwIfAborted(options.signal);
      const next = this.#answers(chunk, options);
      next.catch(() => {});
      if (ahead) yield* await ahead;
      ahead = next;
    }
    if (ahead) yield* await ahead;
  }

  /** Why a picture gets its answer: each class's text part and examples' part, and what each example added. */
  async explain(image: ImageSource, options: ExplainOptions = {}): Promise<Explanation> {
    const { reject, examples } = checkedOptions(explainOptions, options);
    const { signal } = options;
    const { features, failures } = await this.#encode([image], { signal });
    for (const { id, error } of failures) throw errorAbout(id, error);
    const { votes, ...terms } = await (await waitFor(this.#scoring(), signal)).termsAndVotes(features, {
      signal,
    });
    const probabilities = Float32Array.from(softmax(scoresOfTerms(terms), this.data.tuning.temperature));
    const prediction = this.#prediction(readSource(image).id, probabilities, reject);
    return explainRow(this.data, prediction, { features: row(features, 0), terms, votes, examples });
  }

  /** Encodes labelled pictures once, to test this classifier and its refitted relatives on. */
  async encodeTestSet(source: string | Dataset, options: EvaluateOptions = {}): Promise<TestSet> {
    return encodeTestSet(this.data, this.#open(), source, options);
  }

  /** How well it does on labelled pictures (the `test` split where there is one), or on a test set encoded before. */
  async evaluate(source: string | Dataset | TestSet, options: EvaluateOptions = {}): Promise<Evaluation> {
    this.#open();
    const started = performance.now();
    const isEncoded = isTestSet(source);
    if (isEncoded && options.split !== undefined) {
      throw new UsageError('Option split has no effect on a test set that was encoded before', {
        code: 'eval/split',
        hint: 'Give it to encodeTestSet.',
      });
    }
    const set = isEncoded ? source : await this.encodeTestSet(source, options);
    const evaluable = {
      data: this.data,
      probabilities: (features: Matrix, signal?: AbortSignal) => this.probabilities(features, { signal }),
      prediction: (image: string, probabilities: Float32Array) => this.#prediction(image, probabilities),
    };
    const evaluation = await evaluate(evaluable, set, options.signal);
    return { ...evaluation, seconds: (performance.now() - started) / 1000 };
  }

  /** The same examples under another method, other constants or fewer shots; nothing is encoded again. */
  async refit(values: RefitValues, { signal }: Abortable = {}): Promise<Classifier> {
    const encoder = await waitFor(this.#open().encoder(), signal);
    return new Classifier(await refitMethod(this.data, encoder, values, signal), this.#session);
  }

  /** A small JPEG of a picture. Throws `DataError` where it cannot be read. */
  async thumbnail(image: ImageSource, options: ThumbnailOptions = {}): Promise<Uint8Array> {
    return this.#open().thumbnail(image, options);
  }

  /**
   * A new classifier that has learnt further examples, and classes it did not know; a string is the path of labelled pictures or of
   * a folder of features. Nothing known is encoded again; alpha,
   * beta and temperature stay.
   */
  async add(examples: readonly NewExample[] | Dataset | string, work: WorkOptions = {}): Promise<Classifier> {
    const { data, findings } = await addExamples(this.data, this.#open(), examples, work);
    return new Classifier(data, this.#session, findings);
  }

  /** A new classifier without some examples or classes, named by id or shown name. Throws `UsageError` for unknown ones. */
  async remove(removal: Removal, work: Abortable = {}): Promise<Classifier> {
    return new Classifier(await removeParts(this.data, this.#open(), removal, work), this.#session);
  }

  /** The same classifier, answering "none of these" below another probability. */
  withReject(reject: number): Classifier {
    return new Classifier({ ...this.data, reject: checkedReject(reject) }, this.#session);
  }

  /** The same under another name of what it was made of. */
  withName(dataset: string): Classifier {
    return new Classifier({ ...this.data, dataset }, this.#session);
  }

  /** Writes the file, whole or not at all. */
  async save(path: string, { signal }: Abortable = {}): Promise<void> {
    await writeClassifier(path, this.data, signal);
  }

  /** Frees the encoder and the threads. Classifiers made of this one by `add` and `remove` share them. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await (await this.#scorer?.catch(() => undefined))?.close();
    await this.#session.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #open(): EncoderSession {
    if (this.#closed) throw closedError('classifier');
    return this.#session;
  }

  #scoring(): Promise<Scorer> {
    this.#open();
    const { method, state } = this.data;
    const task = { ...taskOf(this.data), cache: this.#session.cache };
    this.#scorer ??= createScorer(sharedEngine(), methodById(method), state, task);
    return this.#scorer;
  }

  /** One answer for each picture, in order. */
  async #answers(images: readonly ImageSource[], options: PredictOptions): Promise<(Prediction | Failure)[]> {
    const { reject } = checkedOptions(predictOptions, options);
    const { signal, onProgress } = options;
    const work = { signal, onProgress };
    const { features, rows, failures } = await this.#encode(images, work);
    const probabilities = await this.probabilities(features, work);
    const answers: (Prediction | Failure)[] = [];
    rows.forEach(({ item }, i) => {
      answers[item] = this.#prediction(readSource(images[item]!).id, row(probabilities, i), reject);
    });
    for (const { item, id, error } of failures) answers[item] = { image: id, error };
    return answers;
  }

  #encode(images: readonly ImageSource[], work: WorkOptions): Promise<EncodedImages> {
    const { exif, seed } = this.data;
    return this.#open().encode(images, { ...work, views: [0], seed, exif });
  }

  #prediction(image: string, probabilities: Float32Array, reject = this.data.reject): Prediction {
    const ranking = this.data.classes
      .map(({ id, name }, i) => ({ id, name, probability: probabilities[i]! }))
      .sort((a, b) => b.probability - a.probability);
    const { id, name, probability } = ranking[0]!;
    const { calibrated } = this;
    return { image, id, name, probability, calibrated, rejected: probability < reject, ranking };
  }
}

/** How a saved classifier is read. */
export interface LoadOptions extends FileOptions {
  /** An encoder that is loaded already (the caller closes it); it must be the one the classifier was fitted with. */
  encoder?: Encoder;
}

/**
 * Reads a saved classifier. Its encoder is looked for when it is needed. Throws `ModelError` where the file is damaged, and,
 * at the first picture, where the encoder is another one (naming both) or not on this machine.
 */
export async function load(path: string, { encoder, ...reading }: LoadOptions = {}): Promise<Classifier> {
  const data = await readClassifier(path, reading);
  return new Classifier(data, sessionFor(data.encoder, encoder));
}

async function* chunks<T>(items: AsyncIterable<T> | Iterable<T>, size: number): AsyncGenerator<T[]> {
  let chunk: T[] = [];
  for await (const item of items) {
    chunk.push(item);
    if (chunk.length === size) {
      yield chunk;
      chunk = [];
    }
  }
  if (chunk.length > 0) yield chunk;
}

function isTestSet(source: string | Dataset | TestSet): source is TestSet {
  return 'truth' in Object(source);
}

/** The picture a failed or answered item stands for. */
export function isFailure(result: Prediction | Failure): result is Failure {
  return 'error' in result;
}
