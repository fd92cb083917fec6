import type { Classifier } from '../classifier/index.ts';
import type { Evaluation } from '../classifier/types.ts';
import type { Dataset } from '../dataset/types.ts';
import type { Io } from './io.ts';
import { partJson } from './print.ts';
import { withBar } from './progress-bars.ts';

/** Reads labelled pictures, prints the findings about them, and evaluates a classifier on them. */
export async function evaluateOn(
  classifier: Classifier,
  data: string,
  io: Io,
): Promise<{ dataset: Dataset; evaluation: Evaluation }> {
  const { readDataset } = await import('../dataset/read.ts');
  const { tellData, tellUncovered } = await import('./told-data.ts');
  const { signal } = io;
  const dataset = await readDataset(data, { signal });
  await tellData(dataset, io);
  const evaluation = await withBar(io, 'Encoding', (bar) =>
    classifier.evaluate(dataset, { signal, onProgress: bar.update }),
  );
  tellUncovered(io, evaluation, dataset);
  return { dataset, evaluation };
}

/** The accuracy in JSON, with the pictures that it does not cover. */
export function evaluationJson({ accuracy, total, interval, excluded, failures, findings }: Evaluation) {
  return { accuracy, total, interval, excluded, ...partJson(failures), findings };
}
