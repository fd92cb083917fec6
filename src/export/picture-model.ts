import type { Abortable } from '../abort.ts';
import type { EncoderReference } from '../classifier/types.ts';
import type { Encoder } from '../encoder/types.ts';
import { UsageError } from '../errors.ts';
import { toOnnx } from '../graph/onnx.ts';
import type { Preprocessing } from '../image/types.ts';
import { headGraph } from './head.ts';
import type { ImageTower } from './image-tower.ts';
import { joinModels, type PictureInput } from './join.ts';
import { exportMetadata } from './onnx-metadata.ts';
import { encodeModel, parseModel } from './onnx-model.ts';
import { type Exportable, type OnnxExport, trialPictures, tried } from './onnx-trial.ts';
import type { QuantisationLoss } from './quantised-tower.ts';

/**
 * A classifier and an image tower as one ONNX model, which is tried before it is returned. `encoder` embeds pictures as the tower does. Throws
 * as `exportOnnx`. It runs in a page too.
 */
export async function pictureModel(
  classifier: Exportable,
  tower: ImageTower,
  encoder: Pick<Encoder, 'embedImages'>,
  { input = 'pixels', loss, signal }: { input?: PictureInput; loss?: QuantisationLoss } & Abortable = {},
): Promise<OnnxExport> {
  const { data } = classifier;
  const preprocessing = preprocessingOf(data.encoder);
  const model = joinModels(tower, parseModel(toOnnx(headGraph(data))), preprocessing, input);
  const trial = await trialPictures(encoder, preprocessing, input, signal);
  return tried(classifier, encodeModel(model, exportMetadata(data, loss)), input, trial, signal);
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
