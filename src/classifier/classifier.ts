import { waitFor } from '../abort.ts';
import type { Dataset, Finding } from '../dataset/types.ts';
import { signalOf } from '../deprecation.ts';
import type { EncodedImages } from '../encoder/encode.ts';
import type { Encoder } from '../encoder/types.ts';
import { sharedEngine } from '../engine/shared.ts';
import { closedError, errorAbout, throwIfAborted, UsageError } from '../errors.ts';
import { type Matrix, row, softmaxRows } from '../math/matrix.ts';
import { loadedMethod } from '../methods/loaded.ts';
import { createScorer, type Scorer } from '../methods/score.ts';
import type { FitProgress, Task } from '../methods/task.ts';
import { isCalibrated } from '../tuning/calibrated.ts';
import {
  type AdaptableClassifier,
  type PredictionStream,
  predictTogether,
  type StreamOptions,
  startStream,
  type TogetherOptions,
  type TogetherPredictions,
} from './adapted.ts';
import type { NewExample } from './add-source.ts';
import { answerOptions, checkedOptions, checkedReject, explainOptions } from './answer-options.ts';
import { chunks, STREAM_CHUNK } from './chunks.ts';
import { classifierFile } from './classifier-file.ts';
import { taskOf } from './classifier-task.ts';
import { type EncoderSession, sessionFor, type ThumbnailOptions } from './encoder-session.ts';
import { isFailure } from './failure.ts';
import { type FileOptions, readClassifier, writeClassifier } from './file.ts';
import { isList, readSource } from './image-source.ts';
import type { Told } from './learn.ts';
import { predictionOf } from './prediction.ts';
import type { RefitValues } from './refit.ts';
import type { Removal } from './remove.ts';
import { sigmoidBias, sigmoidRows } from './sigmoid.ts';
import type { EvaluateOptions, TestSet } from './test-set.ts';
import type {
  Abortable,
  AnswerOptions,
  ClassifierData,
  Evaluation,
  ExampleSuspects,
  Explanation,
  Failure,
  ImageSource,
  Prediction,
  Predictions,
  PredictOptions,
  WorkOptions,
} from './types.ts';

/** Options of `explain`. */
export interface ExplainOptions extends PredictOptions {
  /** Largest number of examples in the explanation, the heaviest first. Default: all, or 100 if the features stay in the file. */
  examples?: number;
}

/*
 * Modules that predicting does not need are imported where they are used, so that the first answer comes sooner.
 */

/**
 * A fitted classifier. `data` is the content of its file. A classifier does not change: `add`, `remove` and `refit` return a new one.
 * Its encoder is opened when it is first needed, and `close` frees it. After `close`, only `data`, `save` and `withReject` can be used:
 * everything else throws `UsageError` `classifier/closed`.
 */
export class Classifier {
  readonly data: ClassifierData;
  /** Findings about the pictures from fitting or adding. They are not saved. */
  readonly findings: readonly Finding[];
  /** Pictures, files and folders that could not be read while fitting or adding: nothing was learnt from them; not saved. */
  readonly unread: readonly Failure[];
  readonly #session: EncoderSession;
  #scorer?: Promise<Scorer>;
  #closed = false;

  /** @internal Classifiers come from `fit` and `load`. */
  constructor(
    data: ClassifierData,
    session: EncoderSession,
    { findings, unread }: Told = { findings: [], unread: [] },
  ) {
    this.data = data;
    this.findings = findings;
    this.unread = unread;
    this.#session = session;
  }

  /** Whether its temperature was fitted, to left-out examples or to a split. */
  get calibrated(): boolean {
    return isCalibrated(this.data.tuning);
  }

  /** Returns the scores [m, c] of features [m, d] (as the encoder returns them), with classes in the order of `data.classes`. */
  async scores(features: Matrix, work?: Abortable): Promise<Matrix>;
  /** @deprecated Until 0.3: give `{ signal }`. */
  async scores(features: Matrix, signal: AbortSignal): Promise<Matrix>;
  async scores(features: Matrix, work: Abortable | AbortSignal = {}): Promise<Matrix> {
    const signal = signalOf(work);
    return (await waitFor(this.#scoring(), signal)).scores(features, { signal });
  }

  /** Returns the probabilities [m, c] of features [m, d] (as the encoder returns them). `calibrated` says whether they are reliable. */
  async probabilities(features: Matrix, work?: Abortable): Promise<Matrix>;
  /** @deprecated Until 0.3: give `{ signal }`. */
  async probabilities(features: Matrix, signal: AbortSignal): Promise<Matrix>;
  async probabilities(features: Matrix, work: Abortable | AbortSignal = {}): Promise<Matrix> {
    const scores = await this.scores(features, { signal: signalOf(work) });
    return softmaxRows(scores, this.data.tuning.temperature);
  }

  /** Classifies a picture. Throws `DataError` if it cannot be read. */
  async predict(image: ImageSource, options?: AnswerOptions): Promise<Prediction>;
  /** Classifies pictures. Unreadable pictures are returned in `failures` and do not throw. */
  async predict(images: readonly ImageSource[], options?: AnswerOptions): Promise<Predictions>;
  async predict(
    images: ImageSource | readonly ImageSource[],
    options: AnswerOptions = {},
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

  /** Classifies any number of pictures in bounded memory. Yields answers and failures in the order of the pictures. */
  async *predictEach(
    images: AsyncIterable<ImageSource> | Iterable<ImageSource>,
    options: AnswerOptions = {},
  ): AsyncGenerator<Prediction | Failure> {
    this.#open();
    // One chunk is encoded while the previous one is yielded.
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

  /**
   * Classifies pictures together by a transductive method: the answer for a picture depends on the other pictures, and each prediction names
   * the method in `transductive`. Unreadable pictures are returned in `failures`. Throws `UsageError` if the method needs class names and the
   * classifier has none, and `DataError` if fewer than two pictures can be read.
   */
  async predictTogether(
    images: readonly ImageSource[],
    options: TogetherOptions = {},
  ): Promise<TogetherPredictions> {
    return predictTogether(this.#adaptable(), images, options);
  }

  /**
   * Starts a stream of pictures, to which a test-time method adapts the classifier without labels. The answer for a picture depends on those
   * before it, and each prediction names the method in `testTime`. The memory is bounded. Neither the classifier nor its file changes. Throws
   * `UsageError` if the method needs class names and the classifier has none.
   */
  stream(options: StreamOptions = {}): PredictionStream {
    this.#open();
    return startStream(this.#adaptable(), options);
  }

  /** Returns why a picture gets its answer: the parts of each class's score from text and examples, and the share of each example. */
  async explain(image: ImageSource, options: ExplainOptions = {}): Promise<Explanation> {
    const { reject, examples } = checkedOptions(explainOptions, options);
    const { signal } = options;
    const { features, failures } = await this.#encode([image], { signal });
    for (const { id, error } of failures) throw errorAbout(id, error);
    const scorer = await waitFor(this.#scoring(), signal);
    const { explainFeatures } = await import('./explain.ts');
    return explainFeatures(this.data, scorer, readSource(image).id, features, { reject, examples, signal });
  }

  /** Encodes labelled pictures once, so that this classifier and its refitted versions can be evaluated on them. */
  async encodeTestSet(source: string | Dataset, options: EvaluateOptions = {}): Promise<TestSet> {
    this.#open();
    const { encodeTestSet } = await import('./test-set.ts');
    return encodeTestSet(this.data, this.#open(), source, options);
  }

  /** Returns accuracy, calibration and confusion on labelled pictures (the `test` split, if there is one) or on an encoded test set. */
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
    const { evaluate } = await import('./evaluate.ts');
    const { leftOutAnswers } = await import('./left-out.ts');
    const evaluable = {
      data: this.data,
      probabilities: (features: Matrix, signal?: AbortSignal) => this.probabilities(features, { signal }),
      prediction: (image: string, probabilities: Float32Array) => this.#prediction(image, probabilities),
      leftOut:
        options.suspects || set.truth.length === 0
          ? () => leftOutAnswers(this.data, { ...this.#open(), signal: options.signal })
          : undefined,
    };
    const evaluation = await evaluate(evaluable, set, options.signal);
    return { ...evaluation, seconds: (performance.now() - started) / 1000 };
  }

  /**
   * Returns the examples whose label is probably wrong, by classifiers of the same method and options that have not learnt from them.
   * Undefined if no example can be left out: a class needs two examples that are not near-duplicates.
   */
  async suspects({
    signal,
    onFit,
  }: Abortable & { onFit?(progress: FitProgress): void } = {}): Promise<ExampleSuspects | undefined> {
    this.#open();
    const { leftOutAnswers } = await import('./left-out.ts');
    const { ownAnswers, suspectsAmong } = await import('./suspects.ts');
    const leftOut = await leftOutAnswers(this.data, { ...this.#open(), signal, onFit });
    if (!leftOut) return undefined;
    const answers = ownAnswers(this.data, leftOut);
    const suspects = suspectsAmong(this.data, answers);
    const { length: examples } = answers;
    return { suspects, examples, correct: examples - suspects.length, folds: leftOut.folds };
  }

  /** Returns a classifier of the same examples with another method, other options or fewer shots. Nothing is encoded again. */
  async refit(values: RefitValues, { signal }: Abortable = {}): Promise<Classifier> {
    this.#open();
    const { refitMethod } = await import('./refit.ts');
    return new Classifier(await refitMethod(this.data, this.#open(), values, signal), this.#session);
  }

  /** Returns a picture's thumbnail as JPEG bytes. Throws `DataError` if the picture cannot be read. */
  async thumbnail(image: ImageSource, options: ThumbnailOptions = {}): Promise<Uint8Array> {
    return this.#open().thumbnail(image, options);
  }

  /**
   * Returns a new classifier with further examples and, if their labels are new, further classes. This classifier does not learn: use the
   * returned one. A string is the path of labelled pictures or of a folder of features. Examples that the classifier has are not encoded
   * again. Alpha, beta and temperature stay.
   */
  async add(examples: readonly NewExample[] | Dataset | string, work: WorkOptions = {}): Promise<Classifier> {
    this.#open();
    const { addExamples } = await import('./add-source.ts');
    const { data, ...told } = await addExamples(this.data, this.#open(), examples, work);
    return new Classifier(data, this.#session, told);
  }

  /** Returns a new classifier without some examples or classes, given by id or shown name. Throws `UsageError` for unknown ones. */
  async remove(removal: Removal, work: Abortable = {}): Promise<Classifier> {
    this.#open();
    const { removeParts } = await import('./remove.ts');
    return new Classifier(await removeParts(this.data, this.#open(), removal, work), this.#session);
  }

  /**
   * Returns the rejection threshold above which 95% of the right answers to left-out examples are. Undefined if no example can be left out.
   */
  async autoReject({ signal }: Abortable = {}): Promise<number | undefined> {
    this.#open();
    const { autoReject } = await import('./auto-reject.ts');
    return autoReject(this.data, { ...this.#open(), signal });
  }

  /** Returns the same classifier with another rejection threshold: it answers "none of these" below this probability. */
  withReject(reject: number): Classifier {
    return new Classifier({ ...this.data, reject: checkedReject(reject) }, this.#session);
  }

  /** Returns the same classifier with another `source`. */
  withName(dataset: string): Classifier {
    return new Classifier({ ...this.data, dataset }, this.#session);
  }

  /** @internal Returns the same classifier with thumbnails of its examples, which are given by the examples' ids. */
  withThumbnails(thumbnails: ReadonlyMap<string, Uint8Array | undefined>): Classifier {
    const examples = this.data.examples.map((example) => ({
      ...example,
      thumbnail: thumbnails.get(example.id),
    }));
    return new Classifier({ ...this.data, examples }, this.#session);
  }

  /** Writes the classifier's file atomically. Throws `DataError` if it cannot be written. */
  async save(path: string, { signal }: Abortable = {}): Promise<void> {
    await writeClassifier(path, this.data, signal);
  }

  /** Frees the encoder and the threads. Classifiers that `add` and `remove` returned share them. */
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
    this.#scorer ??= this.#createScorer();
    return this.#scorer;
  }

  async #createScorer(): Promise<Scorer> {
    const { method: id, state } = this.data;
    const method = loadedMethod(id);
    const parts = method.readsTexts && (await this.#parts());
    const task = { ...taskOf(this.data), cache: this.#session.cache, ...parts };
    return createScorer(sharedEngine(), method, state, task);
  }

  async #parts(): Promise<Pick<Task, 'textTower'>> {
    const { openParts } = await import('./learn.ts');
    return openParts(this.data, await this.#session.encoder(), this.data.method);
  }

  /** One answer for each picture, in order. */
  async #answers(images: readonly ImageSource[], options: AnswerOptions): Promise<(Prediction | Failure)[]> {
    const { reject, sigmoid } = checkedOptions(answerOptions, options);
    const bias = sigmoid ? sigmoidBias(this.data) : undefined;
    const { signal, onProgress } = options;
    const work = { signal, onProgress };
    const { features, rows, failures } = await this.#encode(images, work);
    const probabilities =
      bias === undefined
        ? await this.probabilities(features, work)
        : sigmoidRows(await this.scores(features, work), bias);
    const answers: (Prediction | Failure)[] = [];
    rows.forEach(({ item }, i) => {
      const { id } = readSource(images[item]!);
      answers[item] =
        bias === undefined
          ? this.#prediction(id, row(probabilities, i), reject)
          : { ...this.#prediction(id, row(probabilities, i), reject ?? 0), calibrated: false, sigmoid: true };
    });
    for (const { item, id, error } of failures) answers[item] = { image: id, error };
    return answers;
  }

  #adaptable(): AdaptableClassifier {
    return {
      data: this.data,
      encode: (images, work) => this.#encode(images, work),
      scores: (features, work) => this.scores(features, work),
      prediction: (image, probabilities, reject) => this.#prediction(image, probabilities, reject),
    };
  }

  #encode(images: readonly ImageSource[], work: WorkOptions): Promise<EncodedImages> {
    const { exif, seed } = this.data;
    return this.#open().encode(images, { ...work, views: [0], seed, exif });
  }

  #prediction(image: string, probabilities: Float32Array, reject?: number): Prediction {
    return predictionOf(this.data, image, probabilities, reject);
  }
}

/** Options of `load`. */
export interface LoadOptions extends FileOptions {
  /** A loaded encoder, which the caller closes. It must be the one that the classifier was fitted with. */
  encoder?: Encoder;
}

/** `load` of the package. */
export async function load(path: string, { encoder, ...reading }: LoadOptions = {}): Promise<Classifier> {
  const { path: file } = await classifierFile(path, { signal: reading.signal });
  const data = await readClassifier(file, reading);
  return new Classifier(data, sessionFor(data.encoder, encoder));
}

function isTestSet(source: string | Dataset | TestSet): source is TestSet {
  return 'truth' in Object(source);
}
