import type { Classifier, Evaluation, ImageSource } from '../classifier/index.ts';
import { matrix, row } from '../math/matrix.ts';
import { reliabilityBins } from '../metrics/calibration.ts';
import { calibrationText } from '../report/choice.ts';
import type { ReportData, ReportPrediction } from '../report/types.ts';
import { constantsText } from './fitted-text.ts';

/** Number of pictures shown in a report, wrong answers first. */
const SHOWN = 24;
/** Longer side of a shown picture, in pixels. */
const PICTURE_SIDE = 320;
/** Number of examples and of classes shown beside a picture. */
const TOP = 3;
const SUSPECTS = 10;
const BINS = 10;

/** The data of a report about one classifier's evaluation. `pictures` are the test pictures by their ids. */
export async function evaluationReport(
  classifier: Classifier,
  evaluation: Evaluation,
  pictures: ReadonlyMap<string, ImageSource>,
  signal?: AbortSignal,
): Promise<
  Pick<
    ReportData,
    'perClass' | 'classes' | 'confusion' | 'calibration' | 'predictions' | 'suspects' | 'provenance'
  >
> {
  const { encoder, tuning, classes, seed, createdBy } = classifier.data;
  const wrongFirst = evaluation.predictions
    .toSorted((a, b) => Number(a.id === a.label) - Number(b.id === b.label) || b.probability - a.probability)
    .slice(0, SHOWN);
  const shown = new Map<string, ReportPrediction>();
  for (const { image, labelName } of wrongFirst) {
    shown.set(image, await explained(classifier, pictures.get(image) as ImageSource, labelName, signal));
  }
  return {
    perClass: evaluation.perClass.map(({ name, correct, total }) => ({ name, correct, total })),
    classes: classes.map(({ name }) => name),
    confusion: evaluation.confusion.map((counts) => [...counts]),
    calibration: {
      nll: evaluation.nll,
      ece: evaluation.ece,
      brier: evaluation.brier,
      conformal: evaluation.conformal,
      unknown: evaluation.unknown,
      temperature: tuning.temperature,
      calibrated: evaluation.calibrated,
      bins: binsOf(evaluation),
    },
    predictions: [...shown.values()],
    suspects: evaluation.suspects
      .slice(0, SUSPECTS)
      .map(({ image, label, predicted, predictedProbability }) => ({
        image: shown.get(image)?.image,
        label,
        predicted,
        probability: predictedProbability,
      })),
    provenance: [
      { label: 'Seed', value: String(seed) },
      {
        label: 'Constants',
        value: constantsText(classifier.data) || 'none',
      },
      { label: 'Calibration', value: calibrationText(classifier.data) },
      { label: 'Encoder fingerprint', value: encoder.fingerprint },
      { label: 'Made by', value: createdBy },
    ],
  };
}

function binsOf({ classes, predictions }: Evaluation): ReportData['calibration']['bins'] {
  const index = new Map(classes.map((id, c) => [id, c]));
  const probabilities = matrix(predictions.length, classes.length); // [n, c]
  predictions.forEach(({ ranking }, i) => {
    for (const { id, probability } of ranking) row(probabilities, i)[index.get(id)!] = probability;
  });
  const labels = predictions.map(({ label }) => index.get(label)!);
  return reliabilityBins(probabilities, labels, BINS);
}

async function explained(
  classifier: Classifier,
  image: ImageSource,
  truth: string,
  signal?: AbortSignal,
): Promise<ReportPrediction> {
  const { prediction, classes, contributions, part } = await classifier.explain(image, { signal });
  const top = classes[0]!; // the answer; every classifier has classes
  return {
    image: dataUri(await classifier.thumbnail(image, { side: PICTURE_SIDE, signal })),
    truth,
    predicted: prediction.name,
    probability: prediction.probability,
    top: prediction.ranking.slice(0, TOP).map(({ name, probability }) => ({ name, probability })),
    part,
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
