import type { DemoPoint, DemoResult, DemoRow } from '../bench/demo-comparison.ts';
import type { ReportData } from '../report/types.ts';
import { evaluationReport } from './report-data.ts';

/** The contents of a demo's HTML report. */
export async function demoReport(
  { dataset, source, train, test, rows, best }: DemoResult,
  { reason, command }: { reason: string; command: string },
): Promise<ReportData> {
  const { classifier } = best;
  const evaluation = lastOf(best);
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
    methods: rows.map((row) => {
      const { correct, total, accuracy, interval, protocol } = lastOf(row);
      const { name, note, seconds } = row;
      return { name, note, correct, total, accuracy, interval, seconds, protocol };
    }),
    method: best.name,
    curves: rows
      .filter(({ points }) => points.length > 1)
      .map(({ name, points }) => ({ name, points: points.map(pointOf) })),
    ...(await evaluationReport(classifier, evaluation, pictures)),
    command,
  };
}

const lastOf = ({ points }: DemoRow) => (points.at(-1) as DemoPoint).evaluation;

function pointOf({ shots, evaluation: { accuracy, interval } }: DemoPoint) {
  return { shots, accuracy, low: interval[0], high: interval[1] };
}
