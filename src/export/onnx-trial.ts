import type { Abortable } from '../abort.ts';
import type { ClassifierData } from '../classifier/types.ts';
import type { Encoder } from '../encoder/types.ts';
import { sharedEngine } from '../engine/shared.ts';
import { ModelError } from '../errors.ts';
import { normalize } from '../image/preprocess.ts';
import type { Pixels, Preprocessing } from '../image/types.ts';
import { type Matrix, matrix, unitRows } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import { number } from '../words.ts';
import type { OnnxInput } from './inputs.ts';
import type { PictureInput } from './join.ts';
import { parseModel } from './onnx-model.ts';
import type { MeasuredLoss } from './quantised-tower.ts';

/** A classifier that can be exported: that of a program, or one in a page. */
export interface Exportable {
  readonly data: ClassifierData;
  /** Probabilities [n, classes] of features [n, d]. */
  probabilities(features: Matrix, options?: Abortable): Promise<Matrix>;
}

/** An exported model, and the facts needed to run it. */
export interface OnnxExport {
  readonly bytes: Uint8Array;
  /** Version of the standard operator set that the model uses. */
  readonly opset: number;
  readonly inputs: readonly OnnxPort[];
  readonly outputs: readonly OnnxPort[];
  /** Largest difference between the model's and the classifier's probabilities on the trial inputs, both with the quantised encoder if there is one. */
  readonly difference: number;
  /** With `quantise`: the loss by 8-bit weights of the encoder. */
  readonly quantised?: MeasuredLoss;
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

/** The export with these bytes, after the model and the classifier have run on the same inputs. */
export async function tried(
  classifier: Exportable,
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

export function trialFeatures({ encoder, head, support }: ClassifierData): Trial {
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
export async function trialPictures(
  encoder: Pick<Encoder, 'embedImages'>,
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
