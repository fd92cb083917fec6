import {
  checkNames,
  TEST_TIME,
  TEST_TIME_IDS,
  type TestTimeId,
  TRANSDUCTIVE,
  TRANSDUCTIVE_IDS,
  type TransductiveId,
} from '../adaptation/index.ts';
import type { StreamMemory, TestTimeMethod, TransductiveMethod } from '../adaptation/method.ts';
import type { EncodedImages } from '../encoder/encode.ts';
import '../engine/node.ts';
import { sharedEngine } from '../engine/shared.ts';
import { DataError, errorAbout, messageAbout, throwIfAborted } from '../errors.ts';
import { argmax, type Matrix, row, scaled, unitRows } from '../math/matrix.ts';
import { choice, type Options, refuseUnknown, resolveOptions } from '../options.ts';
import { count } from '../words.ts';
import { checkedOptions, predictOptions } from './answer-options.ts';
import { chunks, STREAM_CHUNK } from './chunks.ts';
import { taskOf } from './classifier-task.ts';
import { readSource } from './image-source.ts';
import type {
  Abortable,
  ClassifierData,
  Failure,
  ImageSource,
  Prediction,
  Predictions,
  PredictOptions,
  WorkOptions,
} from './types.ts';

/** The parts of a classifier that the methods without labels use. */
export interface AdaptableClassifier {
  readonly data: ClassifierData;
  encode(images: readonly ImageSource[], work: WorkOptions): Promise<EncodedImages>;
  scores(features: Matrix, work: Abortable): Promise<Matrix>;
  prediction(image: string, probabilities: Float32Array, reject?: number): Prediction;
}

/** Options of `predictTogether`. */
export interface TogetherOptions extends PredictOptions {
  /** The transductive method. Default: transclip. */
  method?: TransductiveId;
  /** Values of the method's own options. */
  options?: Readonly<Record<string, unknown>>;
}

/** The answers of a transductive method. */
export interface TogetherPredictions extends Predictions {
  /** Number of predictions whose class differs from the classifier's own answer, picture by picture. */
  readonly changed: number;
  /** Number of classes that are the answer for at least one picture when each is answered by itself. */
  readonly occurring: number;
}

/** Options of `stream`. */
export interface StreamOptions extends Pick<PredictOptions, 'reject'> {
  /** The test-time method. Default: tda. */
  method?: TestTimeId;
  /** Values of the method's own options. */
  options?: Readonly<Record<string, unknown>>;
}

const togetherOptions = {
  ...predictOptions,
  method: choice(TRANSDUCTIVE_IDS, {
    default: TRANSDUCTIVE_IDS[0],
    help: 'The transductive method.',
  }),
};

const streamOptions = {
  ...predictOptions,
  method: choice(TEST_TIME_IDS, { default: TEST_TIME_IDS[0], help: 'The test-time method.' }),
};

/** The checked values of a method's options. Throws `UsageError` for an unknown option and for a value out of range. */
function methodValues(table: Options, given: Readonly<Record<string, unknown>> = {}) {
  refuseUnknown(given, Object.keys(table));
  return resolveOptions(table, { ...given });
}

/** The answers of a transductive method for a batch of pictures. */
export async function predictTogether(
  classifier: AdaptableClassifier,
  images: readonly ImageSource[],
  { options, ...given }: TogetherOptions,
): Promise<TogetherPredictions> {
  const { method: id, reject } = checkedOptions(togetherOptions, given);
  const method: TransductiveMethod = TRANSDUCTIVE[id];
  const values = methodValues(method.options, options);
  const { signal, onProgress } = given;
  const task = taskOf(classifier.data, signal);
  checkNames(method, task);
  const { features, rows, failures } = await classifier.encode(images, { signal, onProgress });
  if (features.rows < 2) throw tooFew(method, images.length, failures);
  const logits = await logitsOf(classifier, features, { signal });
  const batch = { task, features: unitRows(features), logits };
  const probabilities = await method.probabilities(batch, values, { engine: sharedEngine(), signal });
  const predictions = rows.map(({ item }, i) => ({
    ...classifier.prediction(readSource(images[item]!).id, row(probabilities, i), reject),
    calibrated: false,
    transductive: id,
  }));
  const alone = rows.map((_, i) => argmax(row(logits, i)));
  const changed = alone.filter((c, i) => c !== argmax(row(probabilities, i))).length;
  const occurring = new Set(alone).size;
  return {
    predictions,
    failures: failures.map(({ id: image, error }) => ({ image, error })),
    changed,
    occurring,
  };
}

function tooFew(
  { id, name }: TransductiveMethod,
  given: number,
  failures: EncodedImages['failures'],
): DataError {
  const [first] = failures;
  const why = first ? ` Not readable: ${messageAbout(first.id, first.error.message)}` : '';
  const read = `${given - failures.length} of ${count(given, 'given picture')} can be read`;
  return new DataError(`${name} answers pictures together and needs at least 2, but ${read}`, {
    code: 'predict/too-few',
    hint: `Give more pictures, or answer them one by one, without a transductive method.${why}`,
    details: { method: id, given, images: failures.map((failure) => failure.id) },
    cause: first?.error,
  });
}

/** The classifier's scores divided by its temperature, [m, c]. */
async function logitsOf(
  { data, scores }: AdaptableClassifier,
  features: Matrix,
  work: Abortable,
): Promise<Matrix> {
  return scaled(await scores(features, work), 1 / data.tuning.temperature);
}

/** Starts a stream with an empty memory. */
export function startStream(
  classifier: AdaptableClassifier,
  { options, ...given }: StreamOptions,
): PredictionStream {
  const { method: id, reject } = checkedOptions(streamOptions, given);
  const method: TestTimeMethod = TEST_TIME[id];
  const values = methodValues(method.options, options);
  const task = taskOf(classifier.data);
  checkNames(method, task);
  return new PredictionStream(classifier, { id, reject, memory: method.start(task, values) });
}

/** A stream of pictures, to which a classifier adapts without labels. */
export class PredictionStream {
  readonly #classifier: AdaptableClassifier;
  readonly #id: TestTimeId;
  readonly #reject?: number;
  readonly #memory: StreamMemory;
  /** Resolves when all pictures so far are in the memory, which takes them in the order of the calls. */
  #before: Promise<unknown> = Promise.resolve();

  /** @internal Streams come from `Classifier.stream`. */
  constructor(
    classifier: AdaptableClassifier,
    { id, reject, memory }: { id: TestTimeId; reject?: number; memory: StreamMemory },
  ) {
    this.#classifier = classifier;
    this.#id = id;
    this.#reject = reject;
    this.#memory = memory;
  }

  /** Number of pictures in the memory, which is bounded by the method's options and the number of classes. */
  get size(): number {
    return this.#memory.size;
  }

  /** Classifies the next picture and adapts to it. Throws `DataError` if it cannot be read; the memory stays as it was then. */
  async predict(image: ImageSource, work: Abortable = {}): Promise<Prediction> {
    const answer = (await this.#answers([image], work))[0]!;
    if ('error' in answer) throw errorAbout(answer.image, answer.error);
    return answer;
  }

  /** Classifies any number of pictures. Yields answers and failures in the order of the pictures. */
  async *predictEach(
    images: AsyncIterable<ImageSource> | Iterable<ImageSource>,
    work: WorkOptions = {},
  ): AsyncGenerator<Prediction | Failure> {
    for await (const chunk of chunks(images, STREAM_CHUNK)) {
      throwIfAborted(work.signal);
      yield* await this.#answers(chunk, work);
    }
  }

  #answers(images: readonly ImageSource[], work: WorkOptions): Promise<(Prediction | Failure)[]> {
    const encoded = this.#encoded(images, work);
    const answers = this.#before.then(async () => this.#taken(images, await encoded));
    this.#before = answers.catch(() => {});
    return answers;
  }

  async #encoded(images: readonly ImageSource[], work: WorkOptions) {
    const { features, rows, failures } = await this.#classifier.encode(images, work);
    const logits = await logitsOf(this.#classifier, features, work);
    return { features: unitRows(features), logits, rows, failures };
  }

  #taken(
    images: readonly ImageSource[],
    {
      features,
      logits,
      rows,
      failures,
    }: Pick<EncodedImages, 'features' | 'rows' | 'failures'> & { logits: Matrix },
  ): (Prediction | Failure)[] {
    const answers: (Prediction | Failure)[] = [];
    rows.forEach(({ item }, i) => {
      // A copy, because the memory keeps the feature and not its chunk.
      const probabilities = this.#memory.next({ feature: row(features, i).slice(), logits: row(logits, i) });
      const prediction = this.#classifier.prediction(
        readSource(images[item]!).id,
        probabilities,
        this.#reject,
      );
      answers[item] = { ...prediction, calibrated: false, testTime: this.#id };
    });
    for (const { item, id, error } of failures) answers[item] = { image: id, error };
    return answers;
  }
}
