import type { Abortable } from '../abort.ts';
import type { Classifier } from '../classifier/classifier.ts';
import { checkEncoder } from '../classifier/encoder-reference.ts';
import type { Dataset } from '../dataset/types.ts';
import { loadEncoder, locateEncoder } from '../encoder/load.ts';
import { throwIfAborted, UsageError } from '../errors.ts';
import { toOnnx } from '../graph/onnx.ts';
import { exportableMethod, headGraph } from './head.ts';
import type { OnnxInput } from './inputs.ts';
import { localTower } from './local-tower.ts';
import { exportMetadata } from './onnx-metadata.ts';
import { type OnnxExport, trialFeatures, tried } from './onnx-trial.ts';
import { pictureModel, preprocessingOf } from './picture-model.ts';
import { quantisedEncoder } from './quantised-tower.ts';

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
  if (input === 'features') {
    const bytes = toOnnx(headGraph(data), { metadata: exportMetadata(data) });
    return tried(classifier, bytes, input, trialFeatures(data), signal);
  }
  exportableMethod(data);
  preprocessingOf(data.encoder);
  const located = await locateEncoder(data.encoder.id, { signal });
  checkEncoder(data.encoder, located.record);
  throwIfAborted(signal);
  const rounded = quantise
    ? await quantisedEncoder(classifier, located, { data: pictures, signal })
    : undefined;
  const tower = rounded?.tower ?? (await localTower(located));
  const encoder = rounded?.encoder ?? (await loadEncoder(data.encoder.id, { signal }));
  try {
    const { measured } = rounded ?? {};
    const made = await pictureModel(classifier, tower, encoder, { input, loss: measured?.loss, signal });
    return { ...made, ...(measured && { quantised: measured }) };
  } finally {
    await encoder.close();
  }
}

/** Throws `UsageError` (`option/no-effect`) if one of the options of quantisation has no effect. */
export function checkQuantise(input: OnnxInput, quantise: boolean, pictures: unknown): void {
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
