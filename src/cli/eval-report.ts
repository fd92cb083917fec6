import { exampleCount } from '../classifier/example-counts.ts';
import type { Classifier, Evaluation } from '../classifier/index.ts';
import type { Dataset } from '../dataset/types.ts';
import { leftOut } from '../report/left-out.ts';
import type { ReportData } from '../report/types.ts';
import { evaluationReport } from './report-data.ts';

/** The contents of an evaluation's HTML report. */
export async function evalReport(
  classifier: Classifier,
  evaluation: Evaluation,
  dataset: Dataset,
  command: string,
  signal: AbortSignal,
): Promise<ReportData> {
  const { data } = classifier;
  const { id, dimension, licence } = data.encoder;
  const pictures = new Map(dataset.examples.map((example) => [example.id, example]));
  const { correct, total, accuracy, interval, seconds, protocol, method, findings } = evaluation;
  return {
    title: `${dataset.name}: how many pictures are recognised?`,
    created: new Date().toISOString(),
    source: { pictures: dataset.root, licence: 'not stated' },
    encoder: { id, dimension, licence, reason: 'The classifier was fitted with it.' },
    dataset: {
      name: dataset.name,
      classes: data.classes.length,
      train: exampleCount(data),
      test: total,
      findings: [...findings.map(({ message }) => message), ...leftOut(evaluation)],
    },
    methods: [{ name: method, note: '', correct, total, accuracy, interval, seconds, protocol }],
    ...(await evaluationReport(classifier, evaluation, pictures, signal)),
    command,
  };
}
