import type { ClassifierData } from '../classifier/types.ts';
import { isCalibrated } from '../tuning/calibrated.ts';

/** Facts about a classifier, without its learnt numbers. */
export interface ClassifierInfo
  extends Pick<
    ClassifierData,
    | 'classes'
    | 'templates'
    | 'encoder'
    | 'method'
    | 'options'
    | 'reject'
    | 'dataset'
    | 'created'
    | 'createdBy'
    | 'version'
  > {
  /** The examples, with the id of their class and, if the file has one, a thumbnail as JPEG bytes. */
  readonly examples: readonly {
    readonly id: string;
    readonly sha256: string;
    readonly classId: string;
    readonly thumbnail?: Uint8Array;
  }[];
  /** Whether its probabilities are calibrated. */
  readonly calibrated: boolean;
}

/** The facts of a classifier. */
export function infoOf(data: ClassifierData): ClassifierInfo {
  const { classes, templates, encoder, method, options, reject, dataset, created, createdBy, version } = data;
  return {
    ...{ classes, templates, encoder, method, options, reject, dataset, created, createdBy, version },
    examples: data.examples.map((example, i) => ({
      ...example,
      classId: classes[data.support.labels[i]!]!.id,
    })),
    calibrated: isCalibrated(data.tuning),
  };
}
