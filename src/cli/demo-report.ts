import type { DemoResult } from '../bench/demo.ts';
import type { Classifier, ImageSource } from '../classifier/index.ts';
import { reliabilityBins } from '../metrics/calibration.ts';
import type { ReportData, ReportPrediction } from '../report/types.ts';

/** Pictures shown in the report: wrong answers first. */
const SHOWN = 24;
/** Longer side of a shown picture, in pixels. */
const PICTURE_SIDE = 320;
/** Examples and classes shown beside a picture. */
const TOP = 3;

/** Everything the HTML report of a demo shows. */
export async function demoReport(
  { dataset, source, train, test, rows, best, curves }: DemoResult,
  { reason, command }: { reason: string; command: string },
): Promise<ReportData> {
  const { classifier, evaluation } = best;
  const { data } = classifier;
  const pictures = new Map(dataset.examples.map((example) => [example.id, example]));
  const wrongFirst = evaluation.predictions
    .toSorted((a, b) => Number(a.id === a.label) - Number(b.id === b.label) || b.probability - a.probability)
    .slice(0, SHOWN);
  const predictions: ReportPrediction[] = [];
  for (const { image, labelName } of wrongFirst) {
    predictions.push(await explained(classifier, pictures.get(image) as ImageSource, labelName));
  }
  const probabilities = await classifier.probabilities(test.features);
  return {
    title: `${dataset.name}: what is in these pictures?`,
    created: data.created,
    source,
    encoder: {
      id: data.encoder.id,
      dimension: data.encoder.dimension,
      reason,
      licence: data.encoder.licence,
    },
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
    perClass: evaluation.perClass.map(({ name, correct, total }) => ({ name, correct, total })),
    classes: data.classes.map(({ name }) => name),
    confusion: evaluation.confusion.map((counts) => [...counts]),
    calibration: {
      nll: evaluation.nll,
      ece: evaluation.ece,
      temperature: data.tuning.temperature,
      bins: reliabilityBins(
        probabilities,
        test.truth.map(({ label }) => label),
        10,
      ),
    },
    predictions,
    suspects: evaluation.suspects.slice(0, 10).map(({ image, label, predicted, predictedProbability }) => ({
      image: predictions[wrongFirst.findIndex((shown) => shown.image === image)]?.image,
      label,
      predicted,
      probability: predictedProbability,
    })),
    provenance: [
      { label: 'Seed', value: String(data.seed) },
      {
        label: 'Constants',
        value: `alpha ${data.tuning.alpha.toPrecision(3)}, beta ${data.tuning.beta.toPrecision(3)}`,
      },
      {
        label: 'Chosen by',
        value: `${data.tuning.protocol}, ${data.tuning.folds} folds, ${data.tuning.judges} pictures`,
      },
      { label: 'Encoder fingerprint', value: data.encoder.fingerprint },
      { label: 'Made by', value: data.createdBy },
    ],
    command,
  };
}

async function explained(
  classifier: Classifier,
  image: ImageSource,
  truth: string,
): Promise<ReportPrediction> {
  const { prediction, classes, contributions } = await classifier.explain(image);
  const [top] = classes;
  return {
    image: dataUri(await classifier.thumbnail(image, PICTURE_SIDE)),
    truth,
    predicted: prediction.name,
    probability: prediction.probability,
    top: prediction.ranking.slice(0, TOP).map(({ name, probability }) => ({ name, probability })),
    neighbours: contributions.slice(0, TOP).map(({ thumbnail, className, weight, similarity }) => ({
      image: thumbnail && dataUri(thumbnail),
      name: className,
      weight: weight ?? similarity,
    })),
    textPart: top.text,
    cachePart: top.examples,
  };
}

function dataUri(jpeg: Uint8Array): string {
  return `data:image/jpeg;base64,${Buffer.from(jpeg).toString('base64')}`;
}
