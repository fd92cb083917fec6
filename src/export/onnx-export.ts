import type { Classifier } from '../classifier/classifier.ts';
import { checkEncoder } from '../classifier/encoder-reference.ts';
import type { ClassifierData, EncoderReference } from '../classifier/types.ts';
import { loadEncoder, locateEncoder } from '../encoder/load.ts';
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
import { imageTower } from './image-tower.ts';
import type { OnnxInput } from './inputs.ts';
import { joinModels, type PictureInput } from './join.ts';
import { exportMetadata } from './onnx-metadata.ts';
import { encodeModel, parseModel } from './onnx-model.ts';

/** An exported model, and the facts needed to run it. */
export interface OnnxExport {
  readonly bytes: Uint8Array;
  /** Version of the standard operator set that the model uses. */
  readonly opset: number;
  readonly inputs: readonly OnnxPort[];
  readonly outputs: readonly OnnxPort[];
  /** Largest difference between the model's and the classifier's probabilities on the trial inputs. */
  readonly difference: number;
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
 * `ModelError` (`export/differs`) if its answers differ from the classifier's.
 */
export async function exportOnnx(
  classifier: Classifier,
  { input = 'pixels', signal }: { input?: OnnxInput; signal?: AbortSignal } = {},
): Promise<OnnxExport> {
  const { data } = classifier;
  const metadata = exportMetadata(data);
  const head = toOnnx(headGraph(data), { metadata });
  const bytes = input === 'features' ? head : encodeModel(await joined(data, head, input, signal), metadata);
  if (bytes.length > LARGEST) throw tooLarge(bytes.length);
  const opset = parseModel(bytes).opsets.get('')!;
  return { bytes, opset, ...(await trial(classifier, bytes, input, signal)) };
}

async function joined(
  { encoder }: ClassifierData,
  head: Uint8Array,
  input: PictureInput,
  signal?: AbortSignal,
) {
  preprocessingOf(encoder);
  const located = await locateEncoder(encoder.id, { signal });
  checkEncoder(encoder, located.record);
  throwIfAborted(signal);
  return joinModels(await imageTower(located), parseModel(head), preprocessingOf(encoder), input);
}

/** Runs the exported model and the classifier on the same inputs. Returns the largest difference of a probability. */
async function trial(
  classifier: Classifier,
  bytes: Uint8Array,
  input: OnnxInput,
  signal?: AbortSignal,
): Promise<Pick<OnnxExport, 'inputs' | 'outputs' | 'difference'>> {
  const { data } = classifier;
  const session = await sharedEngine().load(bytes);
  try {
    const { feed, features } =
      input === 'features' ? trialFeatures(data) : await trialPictures(data, input, signal);
    const expected = await classifier.probabilities(features, { signal });
    const { probabilities } = await session.run({ [input]: feed }, { outputs: ['probabilities'], signal });
    const got = probabilities.data as Float32Array;
    const difference = expected.data.reduce((most, p, i) => Math.max(most, Math.abs(p - got[i]!)), 0);
    const { inputs, outputs } = session;
    checkDifference(difference, data.encoder.id);
    return { inputs, outputs, difference };
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
  { encoder: reference }: ClassifierData,
  input: PictureInput,
  signal?: AbortSignal,
): Promise<Trial> {
  const preprocessing = preprocessingOf(reference);
  const picture = trialPicture(preprocessing);
  const { width: side, data } = picture;
  const encoder = await loadEncoder(reference.id, { signal });
  try {
    const features = await encoder.embedImages([picture], { signal });
    if (input === 'pixels') return { feed: { dtype: 'uint8', shape: [1, side, side, 3], data }, features };
    return { feed: floatTensor([1, 3, side, side], normalize([picture], preprocessing)), features };
  } finally {
    await encoder.close();
  }
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
