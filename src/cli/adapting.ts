import {
  TEST_TIME,
  TEST_TIME_IDS,
  type TestTimeId,
  TRANSDUCTIVE,
  TRANSDUCTIVE_IDS,
  type TransductiveId,
} from '../adaptation/index.ts';
import type { Classifier, TogetherPredictions } from '../classifier/index.ts';
import type { Failure, ImageSource, Prediction, Predictions } from '../classifier/types.ts';
import { UsageError } from '../errors.ts';
import { choice, flag, type Options, optional } from '../options.ts';
import { count, plural } from '../words.ts';
import { noEffect, typedValue } from './command.ts';
import type { Io } from './io.ts';
import { withBar } from './progress-bars.ts';

/** The options of `predict` that choose a method without labels. */
export const adaptingOptions = {
  together: flag({
    help: 'Answer all pictures together, by a transductive method: unlabelled pictures help to label each other, so each answer depends on the other pictures.',
  }),
  stream: flag({
    help: 'Answer pictures one after the other and adapt to them without labels, by a test-time method: each answer depends on the pictures before it.',
  }),
  method: optional(
    choice([...TRANSDUCTIVE_IDS, ...TEST_TIME_IDS], {
      help: `The method of --together (${TRANSDUCTIVE_IDS.join(', ')}; default: ${TRANSDUCTIVE_IDS[0]}) or of --stream (${TEST_TIME_IDS.join(', ')}; default: ${TEST_TIME_IDS[0]}). \`predict --method <method> --help\` lists its options.`,
    }),
  ),
};

/** How pictures are answered by a method without labels. */
export type Adapting =
  | { readonly how: 'together'; readonly method: TransductiveId }
  | { readonly how: 'stream'; readonly method: TestTimeId };

type Given = {
  readonly together: boolean;
  readonly stream: boolean;
  readonly method?: TransductiveId | TestTimeId;
};

/** The requested method, or undefined if pictures are answered one by one. Throws `UsageError` for options that do not fit together. */
export function askedAdapting({ together, stream, method }: Given): Adapting | undefined {
  if (together && stream) {
    throw new UsageError('The options --together and --stream exclude each other', {
      code: 'usage',
      hint: 'Give one of them.',
    });
  }
  if (!together && !stream) {
    if (method === undefined) return undefined;
    const flagOfMethod = isTransductive(method) ? '--together' : '--stream';
    throw noEffect('method', 'pictures that are answered one by one', `Add ${flagOfMethod}.`);
  }
  if (together) {
    if (method === undefined || isTransductive(method))
      return { how: 'together', method: method ?? TRANSDUCTIVE_IDS[0]! };
    throw noEffect('method', '--together', `${TEST_TIME[method].name} answers a stream: use --stream.`);
  }
  if (method === undefined || !isTransductive(method))
    return { how: 'stream', method: method ?? TEST_TIME_IDS[0]! };
  throw noEffect(
    'method',
    '--stream',
    `${TRANSDUCTIVE[method].name} answers pictures together: use --together.`,
  );
}

const isTransductive = (method: string): method is TransductiveId => method in TRANSDUCTIVE;

/** The own options of the method that a command line asks for. */
export function adaptingMethodOptions(argv: readonly string[]): Options {
  const preset = argv.includes('--together')
    ? TRANSDUCTIVE_IDS[0]
    : argv.includes('--stream')
      ? TEST_TIME_IDS[0]
      : undefined;
  const all: Readonly<Record<string, { options: Options }>> = { ...TRANSDUCTIVE, ...TEST_TIME };
  return all[typedValue(argv, '--method') ?? preset ?? '']?.options ?? {};
}

/** The counts are those of pictures that are answered together. */
export type AdaptedPredictions = Predictions & Partial<TogetherPredictions>;

/** Answers pictures by a method without labels. `print` is called for each result of a stream as soon as it is answered. */
export async function predictAdapted(
  classifier: Classifier,
  images: readonly ImageSource[],
  { how, method }: Adapting,
  given: {
    reject?: number;
    options: Readonly<Record<string, unknown>>;
    print?(result: Prediction | Failure): void;
  },
  io: Io,
): Promise<AdaptedPredictions> {
  const { print, ...options } = given;
  return withBar(io, 'Classifying', async (bar) => {
    const work = { signal: io.signal, onProgress: bar.update };
    if (how === 'together') {
      const all = await classifier.predictTogether(images, { ...options, ...work, method });
      for (const result of [...all.predictions, ...all.failures]) print?.(result);
      return all;
    }
    const all: Predictions = { predictions: [], failures: [] };
    for await (const result of classifier
      .stream({ ...options, method })
      .predictEach(images, { signal: io.signal })) {
      print?.(result);
      if ('error' in result) all.failures.push(result);
      else all.predictions.push(result);
      const done = all.predictions.length + all.failures.length;
      bar.update({ done, total: images.length });
    }
    return all;
  });
}

/**
 * The notes beside answers that depend on other pictures. `changed` is the number of answers that differ from those given one by one.
 * `occurring` is the number of classes among the answers one by one, if it is known.
 */
export function adaptedNotes(
  { how, method }: Adapting,
  {
    pictures,
    changed = 0,
    occurring = 0,
    classes,
  }: { pictures: number; changed?: number; occurring?: number; classes: number },
): string[] {
  if (how === 'stream') {
    return [
      `${TEST_TIME[method].name} adapts to the pictures: each answer depends on the pictures before it. The probabilities are not calibrated.`,
    ];
  }
  const { name } = TRANSDUCTIVE[method];
  // On folders of 5 of 196 classes, TransCLIP has 18% and answers one by one have 54% (docs/results.md).
  const few = `One by one, the ${count(pictures, 'picture')} ${plural(pictures, 'is', 'are')} of ${occurring} of the ${count(classes, 'class', 'classes')}, but ${name} expects pictures of every class. If the other classes are absent, use --method em-dirichlet --present ${occurring}.`;
  return [
    `The pictures are answered together by ${name} (transductive): each answer depends on the other pictures. The probabilities are not calibrated.`,
    `${changed} of ${count(pictures, 'answer')} ${plural(changed, 'differs', 'differ')} from those one by one.`,
    ...((pictures < classes || occurring <= classes / 2) && method !== 'em-dirichlet' ? [few] : []),
  ];
}
