import { classifierBytes } from '../classifier/file-bytes.ts';
import { DataError } from '../errors.ts';
import { dot, row, topK, unitRows } from '../math/matrix.ts';
import { methodById } from '../methods/index.ts';
import type { Support } from '../methods/task.ts';
import { renderReport } from '../report/report.ts';
import type { ReportData, ReportPrediction } from '../report/types.ts';
import { count, plural } from '../words.ts';
import type { Check } from './check.ts';
import type { Checked } from './lessons.ts';
import type { Pictures } from './pictures.ts';
import type { LessonClassifier } from './teacher.ts';

/** The bytes of a classifier's file, with thumbnails of its examples. */
export async function classifierFile({ data }: LessonClassifier, pictures: Pictures): Promise<Uint8Array> {
  const examples = await Promise.all(
    data.examples.map(async (example) => ({
      ...example,
      thumbnail: await pictures.thumbnail(example.sha256),
    })),
  );
  return classifierBytes({ ...data, examples });
}

const base64 = (bytes: Uint8Array) =>
  btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ''));

/** Number of pictures shown in a report, wrong answers first. */
const SHOWN = 24;
const SUSPECTS = 10;

const NEAREST = 4;

/** Returns a function that finds the most similar examples of other groups, by the cosine of features. */
function nearestOf({ features, groups }: Support) {
  const unit = unitRows(features);
  return (example: number) => {
    const own = row(unit, example);
    const similarities = Float32Array.from(groups, (group, i) =>
      group === groups[example] ? Number.NEGATIVE_INFINITY : dot(row(unit, i), own),
    );
    return topK(similarities, NEAREST)
      .map((i) => ({ example: i, similarity: similarities[i]! }))
      .filter(({ similarity }) => similarity > Number.NEGATIVE_INFINITY);
  };
}

/** The report of the latest check, as HTML. Throws `DataError` `studio/no-check` if there is no check yet. */
export async function checkReport(
  checked: Checked | undefined,
  pictures: Pictures,
  project: string,
): Promise<string> {
  if (!checked) {
    throw new DataError('Nothing has been checked yet', {
      code: 'studio/no-check',
      hint: 'A report needs two classes with two pictures each.',
    });
  }
  const { check, classifier, lesson } = checked;
  const { data } = classifier;
  const names = data.classes.map(({ name }) => name);
  const wrongFirst = check.answers.toSorted(
    (a, b) =>
      Number(a.label === a.predicted) - Number(b.label === b.predicted) || b.probability - a.probability,
  );
  const picture = async (example: number) =>
    `data:image/jpeg;base64,${base64(await pictures.thumbnail(lesson.examples[example]!.hash))}`;
  const nearest = nearestOf(data.support);
  const shown = await Promise.all(
    wrongFirst.slice(0, SHOWN).map(
      async ({ example, label, predicted, probability }): Promise<ReportPrediction> => ({
        image: await picture(example),
        truth: names[label]!,
        predicted: names[predicted]!,
        probability,
        top: [{ name: names[predicted]!, probability }],
        part: 'method',
        neighbours: await Promise.all(
          nearest(example).map(async ({ example: i, similarity }) => ({
            image: await picture(i),
            name: names[data.support.labels[i]!]!,
            weight: similarity,
          })),
        ),
      }),
    ),
  );
  const suspects = wrongFirst.filter(({ label, predicted }) => label !== predicted).slice(0, SUSPECTS);
  const { name, paper } = methodById(data.method);
  const report: ReportData = {
    title: project || 'What this classifier has learnt',
    created: new Date().toISOString(),
    source: { pictures: 'Pictures collected in the studio', licence: 'yours' },
    encoder: {
      id: data.encoder.id,
      dimension: data.encoder.dimension,
      reason: 'The encoder of this session.',
      licence: data.encoder.licence,
    },
    dataset: {
      name: project || 'studio',
      classes: names.length,
      train: data.examples.length,
      test: check.total,
      findings: testedText(check, data.examples.length),
    },
    methods: [
      {
        name,
        note: paper,
        correct: check.correct,
        total: check.total,
        accuracy: check.correct / check.total,
        interval: check.interval,
        protocol: data.tuning.protocol,
      },
    ],
    testedOn: 'left-out',
    curves: [{ name: 'Tip-Adapter', points: [...check.curve] }],
    perClass: names.map((className, c) => ({ name: className, ...check.perClass[c]! })),
    classes: names,
    confusion: names.map((_, truth) =>
      names.map(
        (__, predicted) =>
          check.answers.filter((answer) => answer.label === truth && answer.predicted === predicted).length,
      ),
    ),
    calibration: {
      nll: surprise(check),
      ece: check.bins.reduce(
        (sum, { count, accuracy, confidence }) =>
          sum + (count / check.total) * Math.abs(accuracy - confidence),
        0,
      ),
      temperature: data.tuning.temperature,
      calibrated: classifier.calibrated,
      bins: [...check.bins],
    },
    predictions: shown,
    suspects: await Promise.all(
      suspects.map(async ({ example, label, predicted, probability }) => ({
        image: await picture(example),
        label: names[label]!,
        predicted: names[predicted]!,
        probability,
      })),
    ),
    provenance: [
      { label: 'Encoder fingerprint', value: data.encoder.fingerprint },
      { label: 'Made by', value: data.createdBy },
    ],
    command: 'tip-adapter studio',
  };
  return renderReport(report);
}

function testedText({ total, folds }: Check, all: number): string[] {
  const alone = all - total;
  return [
    `${count(total, 'picture')} of ${all} ${plural(total, 'was', 'were')} tested while ${plural(total, 'it was', 'they were')} left out, in ${count(folds, 'round')}.`,
    ...(alone > 0
      ? [
          `${count(alone, 'picture')} could not be left out, because nothing else shows ${plural(alone, 'its class', 'their classes')}.`,
        ]
      : []),
  ];
}

/** Mean negative log-likelihood of the left-out pictures, in nats. */
function surprise({ answers, total }: Check): number {
  return (
    answers.reduce((sum, { labelProbability }) => sum - Math.log(Math.max(labelProbability, 1e-12)), 0) /
    total
  );
}
