import { type Matrix, selectRows, unitRows } from '../math/matrix.ts';
import type { Support } from './task.ts';

/** Unit rows, [r, d], and their classes, [r]. */
export interface Samples {
  readonly rows: Matrix;
  readonly labels: Int32Array;
}

/** Takes every augmented view as a sample. An example without augmented views gives its plain view. */
export function samplesOf(support: Support): Samples {
  return {
    rows: unitRows(selectRows(support.features, sampleRows(support))),
    labels: sampleLabels(support),
  };
}

/** The samples' classes, [r]. */
export function sampleLabels(support: Support): Int32Array {
  return Int32Array.from(sampleRows(support), (r) => support.labels[support.example[r]!]!);
}

function sampleRows({ example, view, labels }: Support): number[] {
  const augmented = new Uint8Array(labels.length);
  for (let r = 0; r < view.length; r++) if (view[r]! > 0) augmented[example[r]!] = 1;
  return [...view.keys()].filter((r) => view[r]! > 0 || !augmented[example[r]!]);
}
