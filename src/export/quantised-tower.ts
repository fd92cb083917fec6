import type { Classifier } from '../classifier/classifier.ts';
import type { TestSet } from '../classifier/test-set.ts';
import { readDataset } from '../dataset/read.ts';
import type { Dataset } from '../dataset/types.ts';
import { type EncodableImage, encodeImages } from '../encoder/encode.ts';
import { factsOf } from '../encoder/encoder-facts.ts';
import { QUANTISED } from '../encoder/encoder-source.ts';
import type { LocalEncoder } from '../encoder/installed.ts';
import { loadEncoder } from '../encoder/load.ts';
import type { EncoderRecord } from '../encoder/record.ts';
import { imageSide, sessionOf } from '../encoder/tower.ts';
import type { Encoder } from '../encoder/types.ts';
import { sharedEngine } from '../engine/shared.ts';
import { DataError, ModelError, UsageError } from '../errors.ts';
import { argmax, type Matrix, row, unitRows } from '../math/matrix.ts';
import { percent } from '../report/numbers.ts';
import { sha256 } from '../sha256.ts';
import { count, number } from '../words.ts';
import type { ImageTower } from './image-tower.ts';
import { localTower } from './local-tower.ts';
import { encodeModel } from './onnx-model.ts';
import { quantised } from './quantise.ts';

/** The loss by 8-bit weights of an encoder, measured on pictures. */
export interface QuantisationLoss {
  /** Number of pictures that were compared. */
  readonly pictures: number;
  /** `thumbnails` of the classifier's own examples, or labelled pictures that were given (`data`). */
  readonly from: 'thumbnails' | 'data';
  /** Mean and least cosine of a picture's features with both towers. */
  readonly cosine: number;
  readonly leastCosine: number;
  /** Number of pictures with the same answer. */
  readonly same: number;
  /** Largest difference of a probability. */
  readonly probability: number;
  /** Share of right answers with single-precision and with 8-bit weights. Only for labelled pictures. */
  readonly accuracy?: { readonly before: number; readonly after: number };
  /** Size of the image tower's model in bytes, before and after. */
  readonly bytes: { readonly before: number; readonly after: number };
}

/** The loss of a quantised tower, and the given pictures that its figures do not cover, as in an evaluation. */
export interface MeasuredLoss extends Pick<TestSet, 'excluded' | 'failures' | 'findings'> {
  readonly loss: QuantisationLoss;
  /** Number of compared pictures of each class. Empty for thumbnails. */
  readonly perClass: readonly { readonly id: string; readonly total: number }[];
}

/** An encoder whose image tower has its large weights in 8 bits. It embeds pictures alone. */
export interface QuantisedEncoder {
  readonly tower: ImageTower;
  readonly encoder: Encoder;
  readonly measured: MeasuredLoss;
}

/** Quantises the encoder of a classifier and measures the loss. The caller closes the encoder. Throws as `quantisedTower` and `measureLoss`. */
export async function quantisedEncoder(
  classifier: Classifier,
  located: LocalEncoder,
  options: { data?: string | Dataset; signal?: AbortSignal },
): Promise<QuantisedEncoder> {
  const whole = await localTower(located);
  const tower = quantisedTower(whole, located.record.id);
  const encoder = towerEncoder(located.record, tower);
  const sizeOf = ({ model }: ImageTower) => encodeModel(model, {}).length;
  try {
    const sizes = { before: sizeOf(whole), after: sizeOf(tower) };
    return { tower, encoder, measured: await measureLoss(classifier, encoder, sizes, options) };
  } catch (error) {
    await encoder.close();
    throw error;
  }
}

/** The name and the fingerprint of a quantised encoder, which is another encoder than the one that it was made from. */
export function quantisedIdentity({ id, fingerprint }: { id: string; fingerprint: string }) {
  return { id: `${id}${QUANTISED}`, fingerprint: sha256(`${QUANTISATION}\n${fingerprint}`) };
}

/** Number of the form of quantisation, which a change of the features raises by one. */
const QUANTISATION = 'tip-adapter-int8/1';

/** The image tower with its large weights in 8 bits. Throws `ModelError` (`export/quantised`) if none is in single precision. */
function quantisedTower(tower: ImageTower, id: string): ImageTower {
  const { model, weights } = quantised(tower.model);
  if (weights > 0) return { ...tower, model };
  throw new ModelError(`The image tower of ${id} has no large weights in single precision to quantise`, {
    code: 'export/quantised',
    hint: 'Export it without --quantise: its weights are in fewer bits already, or they are not constants of products, convolutions or tables.',
    details: { id },
  });
}

/** The encoder of pictures whose tower is the given one. */
function towerEncoder(record: EncoderRecord, tower: ImageTower): Encoder {
  const image = sessionOf(() => sharedEngine().load(encodeModel(tower.model, {})));
  const run = { outputs: [tower.output.name], batch: () => 1, others: async () => ({ ...tower.others }) };
  return { ...factsOf(record), ...imageSide(record, image, run), close: () => image.close() };
}

/** Largest number of thumbnails that are compared. */
const MOST_THUMBNAILS = 200;

/**
 * Measures the loss of a quantised tower: on labelled pictures if `data` is given (without the classifier's own examples), else on the
 * thumbnails of the examples. Throws `UsageError` (`export/unmeasured`) if there are no thumbnails, and `DataError` if none can be read.
 */
async function measureLoss(
  classifier: Classifier,
  encoder: Encoder,
  sizes: QuantisationLoss['bytes'],
  { data, signal }: { data?: string | Dataset; signal?: AbortSignal },
): Promise<MeasuredLoss> {
  const { seed, exif } = classifier.data;
  const encode = async (own: Encoder, pictures: readonly EncodableImage[]): Promise<Matrix> => {
    const { features, failures } = await encodeImages(own, pictures, { seed, exif, signal });
    for (const { id, error } of failures)
      throw new DataError(`${id} could not be read to measure the loss: ${error.message}`, {
        code: 'export/unreadable',
        hint: 'Remove the picture, or give others with --data.',
        details: { id },
        cause: error,
      });
    return features;
  };
  if (data !== undefined) {
    const dataset = typeof data === 'string' ? await readDataset(data, { signal }) : data;
    const { features, truth, ...beside } = await classifier.encodeTestSet(dataset, { signal });
    const byId = new Map(dataset.examples.map((example) => [example.id, example]));
    const after = await encode(
      encoder,
      truth.map(({ id }) => ({ id, read: () => byId.get(id)!.read() })),
    );
    const labels = truth.map(({ label }) => label);
    const loss = await compared(classifier, features, after, { from: 'data', labels, signal });
    const { excluded, failures, findings } = beside;
    const perClass = beside.classes.map((id, c) => ({
      id,
      total: labels.filter((label) => label === c).length,
    }));
    return { loss: { ...loss, bytes: sizes }, excluded, failures, findings, perClass };
  }
  const pictures = thumbnailsOf(classifier);
  const own = await loadEncoder(classifier.data.encoder.id, { signal });
  try {
    const before = await encode(own, pictures);
    const after = await encode(encoder, pictures);
    const loss = await compared(classifier, before, after, { from: 'thumbnails', signal });
    return { loss: { ...loss, bytes: sizes }, excluded: [], failures: [], findings: [], perClass: [] };
  } finally {
    await own.close();
  }
}

/** Thumbnails of the examples, evenly spread over them: the first one of each stretch. No other is read, because reading copies it. */
function thumbnailsOf({ data: { examples } }: Classifier): EncodableImage[] {
  const stretches = Math.min(examples.length, MOST_THUMBNAILS);
  const start = (i: number) => Math.floor((i * examples.length) / stretches);
  const pictures: EncodableImage[] = [];
  for (let i = 0; i < stretches; i++) {
    for (let k = start(i); k < start(i + 1); k++) {
      const { id, thumbnail } = examples[k]!;
      if (!thumbnail) continue;
      pictures.push({ id, read: async () => thumbnail });
      break;
    }
  }
  if (pictures.length > 0) return pictures;
  throw new UsageError(
    'The classifier keeps no thumbnails on which the loss of 8-bit weights can be measured',
    {
      code: 'export/unmeasured',
      hint: 'Give labelled pictures with --data (in a program, the option data).',
    },
  );
}

async function compared(
  classifier: Classifier,
  before: Matrix,
  after: Matrix,
  {
    from,
    labels,
    signal,
  }: { from: QuantisationLoss['from']; labels?: readonly number[]; signal?: AbortSignal },
): Promise<Omit<QuantisationLoss, 'bytes'>> {
  const pictures = before.rows;
  const units = [unitRows(before), unitRows(after)] as const;
  const cosines = Array.from({ length: pictures }, (_, i) => {
    const other = row(units[1], i);
    return row(units[0], i).reduce((sum, x, k) => sum + x * other[k]!, 0);
  });
  const [own, got] = [
    await classifier.probabilities(before, { signal }),
    await classifier.probabilities(after, { signal }),
  ];
  const answers = (of: Matrix) => Array.from({ length: pictures }, (_, i) => argmax(row(of, i)));
  const [first, second] = [answers(own), answers(got)];
  const right = (of: readonly number[]) => of.filter((answer, i) => answer === labels?.[i]).length / pictures;
  return {
    pictures,
    from,
    cosine: cosines.reduce((sum, x) => sum + x, 0) / pictures,
    leastCosine: cosines.reduce((least, x) => Math.min(least, x), 1),
    same: first.filter((answer, i) => answer === second[i]).length,
    probability: own.data.reduce((most, p, i) => Math.max(most, Math.abs(p - got.data[i]!)), 0),
    ...(labels && { accuracy: { before: right(first), after: right(second) } }),
  };
}

/** More than this share of other answers, or this loss of accuracy, is a large loss. */
const LARGE = 0.01;
const LARGE_ACCURACY = 0.005;

/** A loss in words. `warning` says that it is large. */
export function lossInWords(loss: QuantisationLoss): { line: string; warning?: string } {
  const { pictures, from, cosine, leastCosine, same, probability, accuracy, bytes } = loss;
  const mega = (size: number) => number(Number((size / 1e6).toPrecision(3)));
  const where =
    from === 'data' ? count(pictures, 'picture') : `${count(pictures, 'thumbnail')} of the examples`;
  const judged = accuracy
    ? `, accuracy ${percent(accuracy.after)} instead of ${percent(accuracy.before)}`
    : '';
  const line =
    `8-bit weights: image tower of ${mega(bytes.after)} MB instead of ${mega(bytes.before)}; on ${where}: ` +
    `cosine ${cosine.toFixed(4)} (least ${leastCosine.toFixed(4)}), ${number(same)} of ${number(pictures)} answers the same, ` +
    `largest change of a probability ${probability.toFixed(3)}${judged}`;
  const large =
    same < (1 - LARGE) * pictures || (accuracy && accuracy.before - accuracy.after > LARGE_ACCURACY);
  return large
    ? {
        line,
        warning: `The loss is large: ${count(pictures - same, 'answer')} of ${number(pictures)} changed${judged}.`,
      }
    : { line };
}
