import type { ClassifierData } from '../classifier/types.ts';
import { isCalibrated } from '../tuning/calibrated.ts';
import type { QuantisationLoss } from './quantised-tower.ts';

/**
 * The facts of an exported classifier that other programs need. They are the model's metadata_props, described in docs/export.md.
 * Values that are not text are JSON.
 */
export function exportMetadata(data: ClassifierData, quantised?: QuantisationLoss): Record<string, string> {
  const { classes, encoder, method, tuning, reject, exif, created, createdBy } = data;
  const { id, fingerprint, source, revision, licence, preprocessing } = encoder;
  return {
    format: 'tip-adapter-onnx/1',
    labels: JSON.stringify(classes.map(({ name }) => name)),
    classes: JSON.stringify(classes.map(({ id: classId }) => classId)),
    // The forms in which transformers and Ultralytics write labels. The second is a literal of Python.
    id2label: JSON.stringify(Object.fromEntries(classes.map(({ name }, c) => [c, name]))),
    names: `{${classes.map(({ name }, c) => `${c}: ${JSON.stringify(name)}`).join(', ')}}`,
    preprocessing: JSON.stringify(preprocessing),
    exif: JSON.stringify(exif),
    reject: JSON.stringify(reject),
    temperature: JSON.stringify(tuning.temperature),
    calibrated: JSON.stringify(isCalibrated(tuning)),
    method,
    encoder: JSON.stringify({ id, fingerprint, source, revision, licence }),
    created,
    created_by: createdBy,
    ...(quantised && { quantised: JSON.stringify(quantised) }),
  };
}
