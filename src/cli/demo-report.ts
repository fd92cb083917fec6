import type { DemoResult } from '../bench/demo.ts';
import type { ReportData } from '../report/types.ts';
import { evaluationReport } from './report-data.ts';

/** Everything the HTML report of a demo shows. */
export async function demoReport(
  { dataset, source, train, test, rows, best, curves }: DemoResult,
  { reason, command }: { reason: string; command: string },
): Promise<ReportData> {
  const { classifier, evaluation } = best;
  const { encoder, created } = classifier.data;
  const pictures = new Map(dataset.examples.map((example) => [example.id, example]));
  return {
    title: `${dataset.name}: what is in these pictures?`,
    created,
    source,
    encoder: { id: encoder.id, dimension: encoder.dimension, reason, licence: encoder.licence },
    dataset: {
      name: dataset.name,
      classes: dataset.classes.length,
      train,
      test: test.truth.length,
      findings: [...classifier.findings, ...test.findings].map(({ message }) => message),
    },
    methods: rows.map(({ name, note, evaluation: result, seconds }) => ({
      name,
      note,
      correct: result.correct,
      total: result.total,
      accuracy: result.accuracy,
      interval: result.interval,
      seconds,
      protocol: result.protocol,
    })),
    method: best.name,
    curves: curves.map(({ name, points }) => ({ name, points: [...points] })),
    ...(await evaluationReport(classifier, evaluation, pictures)),
    command,
  };
}
