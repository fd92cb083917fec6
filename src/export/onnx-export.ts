import type { Abortable } from '../abort.ts';
import type { Classifier } from '../classifier/classifier.ts';
import { checkEncoder } from '../classifier/encoder-reference.ts';
import type { ClassifierData, EncoderReference } from '../classifier/types.ts';
import type { Dataset } from '../dataset/types.ts';
import { loadEncoder, locateEncoder } from '../encoder/load.ts';
import type { Encoder } from '../encoder/types.ts';
import { sharedEngine } from '../engine/shared.ts';
import { ModelError, throwIfAborted, UsageError } from '../errors.ts';
import { toOnnx } from '../graph/onnx.ts';
import { normalize } from '../image/preprocess.ts';
import type { Pixels, Preprocessing } from '../image/types.ts';
import { type Matrix, matrix, unitRows } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import { number } from '../words.ts';
import { headGraph } from './head.ts';
import { type ImageTower, imageTower } from './image-tower.ts';
import type { OnnxInput } from './inputs.ts';
import { joinModels, type PictureInput } from './join.ts';
import { exportMetadata } from './onnx-metadata.ts';
import { encodeModel, parseModel } from './onnx-model.ts';
import { type MeasuredLoss, measureLoss, quantisedTower, towerEncoder } from './quantised-tower.ts';

/** An exported model, and the facts needed to run it. */
export interface OnnxExport {
  readonly bytes: Uint8Array;
  /** Version of the standard operator set that the model uses. */
  readonly opset: number;
  readonly inputs: readonly OnnxPort[];
  readonly outputs: readonly OnnxPort[];
  /** Largest difference between the model's and the classifier's probabilities on the trial inputs, both with the quantised encoder if there is one. */
  readonly difference: number;
  /** With `quantise`: what 8-bit weights of the encoder change. */
  readonly quantised?: MeasuredLoss;
}

/** Options of an export with an encoder. */
export interface QuantiseOptions {
  /** Whether the encoder's large weights are written in 8 bits. The loss is measured, and is part of the result and of the model. */
  quantise?: boolean;
  /** Labelled pictures on which the loss is measured. Default: thumbnails of the classifier's examples. */
  data?: string | Dataset;
}

/** Options of `exportOnnx`. */
export interface OnnxOptions extends QuantiseOptions, Abortable {
  /** Default: `pixels`. */
  input?: OnnxInput;
}

/** An input or output. A size that is a name is variable. */
export interface OnnxPort {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly (number | string)[];
}

/** Largest size of a protocol-buffer file, in bytes. */
const LARGEST = 2 ** 31 - 1;
/** Largest difference of probabilities for which the model counts as equal to the classifier. */
const TOLERANCE = 1e-4;

/**
 * Exports the classifier as one ONNX model from `pixels` uint8 [n, side, side, 3] (RGB), `pixel_values` float32 [n, 3, side, side] or
 * `features` float32 [n, d] to `probabilities` and `scores` [n, c]. The model is run on trial inputs before it is returned. Throws
 * `ModelError` (`export/differs`) if its answers differ from the classifier's, with `quantise` from those of the classifier with the
 * quantised encoder.
 */
export async function exportOnnx(
  classifier: Classifier,
  { input = 'pixels', quantise = false, data: pictures, signal }: OnnxOptions = {},
): Promise<OnnxExport> {
  checkQuantise(input, quantise, pictures);
  const { data } = classifier;
  const head = headGraph(data);
  if (input === 'features') {
    const bytes = toOnnx(head, { metadata: exportMetadata(data) });
    return tried(classifier, bytes, input, trialFeatures(data), signal);
  }
  const preprocessing = preprocessingOf(data.encoder);
  const located = await locateEncoder(data.encoder.id, { signal });
  checkEncoder(data.encoder, located.record);
  throwIfAborted(signal);
  const whole = await imageTower(located);
  const tower = quantise ? quantisedTower(whole, data.encoder.id) : whole;
  const encoder = quantise
    ? towerEncoder(located.record, tower)
    : await loadEncoder(data.encoder.id, { signal });
  try {
    const sizeOf = ({ model }: ImageTower) => encodeModel(model, {}).length;
    const sizes = quantise ? { before: sizeOf(whole), after: sizeOf(tower) } : undefined;
    const measured = sizes && (await measureLoss(classifier, encoder, sizes, { data: pictures, signal }));
    const metadata = exportMetadata(data, measured?.loss);
    const model = joinModels(tower, parseModel(toOnnx(head)), preprocessing, input);
    const trial = await trialPictures(encoder, preprocessing, input, signal);
    return {
      ...(await tried(classifier, encodeModel(model, metadata), input, trial, signal)),
      ...(measured && { quantised: measured }),
    };
  } finally {
    await encoder.close();
  }
}

function checkQuantise(input: OnnxInput, quantise: boolean, pictures: unknown): void {
  if (quantise ? input !== 'features' : pictures === undefined) return;
  throw quantise
    ? new UsageError('Option quantise has no effect with the input features', {
        code: 'option/no-effect',
        hint: 'quantise changes the encoder, and a model of features contains none. Leave out the option, or give another input.',
        details: { option: 'quantise' },
      })
    : new UsageError('Option data has no effect without quantise', {
        code: 'option/no-effect',
        hint: 'The pictures of data measure the loss of quantisation. Give quantise too, or leave out data.',
        details: { option: 'data' },
      });
}

/** The export with these bytes, after the model and the classifier have run on the same inputs. */
async function tried(
  classifier: Classifier,
  bytes: Uint8Array,
  input: OnnxInput,
  { feed, features }: Trial,
  signal?: AbortSignal,
): Promise<OnnxExport> {
  if (bytes.length > LARGEST) throw tooLarge(bytes.length);
  const session = await sharedEngine().load(bytes);
  try {
    const expected = await classifier.probabilities(features, { signal });
    const { probabilities } = await session.run({ [input]: feed }, { outputs: ['probabilities'], signal });
    const got = probabilities.data as Float32Array;
    const difference = expected.data.reduce((most, p, i) => Math.max(most, Math.abs(p - got[i]!)), 0);
    const { inputs, outputs } = session;
    checkDifference(difference, classifier.data.encoder.id);
    return { bytes, opset: parseModel(bytes).opsets.get('')!, inputs, outputs, difference };
  } finally {
    await session.close();
  }
}

/** Throws `ModelError` `export/differs` if a probability of an export differs from the classifier's by more than the tolerance. */
export function checkDifference(difference: number, encoder: string): void {
  if (difference <= TOLERANCE) return;
  throw new ModelError(`The exported model differs from the classifier by ${difference.toPrecision(2)}`, {
    code: 'export/differs',
    hint: 'Please report this with the name of the encoder. The option --input features exports the classifier alone.',
    details: { difference, tolerance: TOLERANCE, encoder },
  });
}

/** Inputs to compare on: features of examples or prompts, random features, or random pixels. */
interface Trial {
  readonly feed: Tensor;
  readonly features: Matrix;
}

const TRIAL_ROWS = 16;

function trialFeatures({ encoder, head, support }: ClassifierData): Trial {
  const known = [support.features, head?.promptFeatures].find((own) => own && own.rows > 0);
  const { data } = known ?? randomFeatures(encoder.dimension);
  const rows = Math.min(TRIAL_ROWS, data.length / encoder.dimension);
  const values = data.slice(0, rows * encoder.dimension);
  return {
    feed: floatTensor([rows, encoder.dimension], values),
    features: matrix(rows, encoder.dimension, values),
  };
}

/** Random unit rows, for a classifier that keeps neither examples nor prompts. */
function randomFeatures(dimension: number): Matrix {
  const { normal } = random('trial');
  return unitRows(
    matrix(TRIAL_ROWS, dimension, Float32Array.from({ length: TRIAL_ROWS * dimension }, normal)),
  );
}

/** A trial with one picture: with dynamic quantisation, a picture's features depend on the other pictures of its batch. */
async function trialPictures(
  encoder: Encoder,
  preprocessing: Preprocessing,
  input: PictureInput,
  signal?: AbortSignal,
): Promise<Trial> {
  const picture = trialPicture(preprocessing);
  const { width: side, data } = picture;
  const features = await encoder.embedImages([picture], { signal });
  if (input === 'pixels') return { feed: { dtype: 'uint8', shape: [1, side, side, 3], data }, features };
  return { feed: floatTensor([1, 3, side, side], normalize([picture], preprocessing)), features };
}

/** A picture of random pixels. */
export function trialPicture({ crop: side }: Preprocessing): Pixels {
  const { integer } = random('trial');
  const data = Uint8Array.from({ length: side * side * 3 }, () => integer(256));
  return { width: side, height: side, data };
}

/** The encoder's preprocessing. Throws `UsageError` for a classifier that was fitted to features from elsewhere. */
export function preprocessingOf({ id, preprocessing }: EncoderReference): Preprocessing {
  if (preprocessing) return preprocessing;
  throw new UsageError(`The classifier was fitted to ${id}, for which no encoder is known`, {
    code: 'export/features',
    hint: 'Export the classifier alone with --input features.',
    details: { id },
  });
}

function tooLarge(size: number): ModelError {
  return new ModelError(
    `The model would have ${number(Math.round(size / 1e6))} MB, but an ONNX file has at most 2,147`,
    {
      code: 'export/too-large',
      hint: 'Export the classifier alone with --input features, or fit it with a smaller encoder.',
      details: { bytes: size, largest: LARGEST },
    },
  );
}
