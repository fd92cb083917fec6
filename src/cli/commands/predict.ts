import type { Classifier } from '../../classifier/index.ts';
import type { Failure, ImageSource, Prediction } from '../../classifier/types.ts';
import { errorAbout, messageAbout, throwIfAborted, UsageError } from '../../errors.ts';
import { flag, integer, optional, real, text } from '../../options.ts';
import { jsonText } from '../../printable.ts';
import { probability } from '../../report/numbers.ts';
import { renderCsv, type Table } from '../../report/table.ts';
import { count, plural, UNCALIBRATED } from '../../words.ts';
import { defineCommand, jsonOption, noEffect } from '../command.ts';
import { checkAllRead, findImages } from '../images.ts';
import type { Io } from '../io.ts';
import { withClassifier } from '../open-classifier.ts';
import { checkOutputFolder } from '../output-checks.ts';
import { failureJson, printJson, rounded, tableLines } from '../print.ts';
import { withBar } from '../progress-bars.ts';
import { copyByClass } from '../sorting.ts';

/** Number of pictures answered together, after which NDJSON lines are printed. */
const TOGETHER = 256;

export const predictCommand = defineCommand({
  args: ['<classifier>', '<images...>'],
  options: {
    top: optional(
      integer({ min: 1, help: 'Number of classes to show for each picture (default: 1; in JSON, all).' }),
    ),
    reject: optional(real({ min: 0, max: 1, help: 'Answer "none of these" below this probability.' })),
    copyTo: optional(
      text({
        value: '<folder>',
        help: 'Copy each picture into a folder of its class. Existing files are not overwritten.',
      }),
    ),
    json: jsonOption,
    csv: flag({ help: 'Print CSV.' }),
    ndjson: flag({ help: 'Print one line of JSON for each picture as soon as it is answered.' }),
  },
  computes: 'on-device',
  examples: [
    ['tip-adapter predict pets.safetensors new.jpg holiday/', 'Prints a table.'],
    [
      'tip-adapter predict pets.safetensors holiday/ --copy-to sorted --reject 0.6',
      'Sorts photos into folders.',
    ],
    [
      'find . -name "*.jpg" | tip-adapter predict pets.safetensors - --csv',
      'Takes paths from stdin and prints CSV.',
    ],
  ],
  async check([, ...given], { copyTo, json, csv, ndjson }) {
    if ([json, csv, ndjson].filter(Boolean).length > 1) {
      throw new UsageError('The options --json, --csv and --ndjson exclude each other', {
        code: 'usage',
        hint: 'Give one of them.',
      });
    }
    const { isHubData } = await import('../../dataset/hub-data.ts');
    if (copyTo && given.some(isHubData)) {
      throw noEffect(
        'copyTo',
        given.find(isHubData)!,
        'The pictures of a data set on the hub are not single files, so they cannot be copied.',
      );
    }
    if (copyTo) await checkOutputFolder(copyTo);
  },
  async run([path, ...given], { top, reject, copyTo, json, csv, ndjson }, io) {
    const { predictions, failures } = await withClassifier(path, async (classifier) => {
      const { images, unread } = await findImages(given, io, copyTo);
      const print = ndjson
        ? (result: Prediction | Failure) => io.print(jsonText(resultJson(result, top), { replacer: rounded }))
        : undefined;
      for (const failure of unread) print?.(failure);
      const results = await predictAll(classifier, images, { reject, print }, io);
      results.failures.unshift(...unread);
      if (!classifier.calibrated && results.predictions.length > 0) io.note(UNCALIBRATED);
      if (copyTo) await sortInto(classifier, results.predictions, copyTo, io);
      return results;
    });
    if (json) {
      const answers = predictions.map((prediction) => resultJson(prediction, top));
      printJson(io, { predictions: answers, failures: failures.map(failureJson) });
    } else if (csv) io.data(renderCsv(csvTable([...predictions, ...failures], top ?? 1)));
    else if (!ndjson && predictions.length > 0)
      io.print(tableLines(io, table(predictions, top ?? 1, io.terminal ? commonFolder(predictions) : '')));
    tellFailures(failures, predictions.length, io);
  },
});

async function predictAll(
  classifier: Classifier,
  images: readonly ImageSource[],
  { reject, print }: { reject?: number; print?(result: Prediction | Failure): void },
  io: Io,
): Promise<{ predictions: Prediction[]; failures: Failure[] }> {
  const all = { predictions: [] as Prediction[], failures: [] as Failure[] };
  await withBar(io, 'Classifying', async (bar) => {
    let cachedBefore = 0;
    for (let start = 0; start < images.length; start += TOGETHER) {
      throwIfAborted(io.signal);
      let cachedNow = 0;
      const { predictions, failures } = await classifier.predict(images.slice(start, start + TOGETHER), {
        reject,
        signal: io.signal,
        onProgress({ done, cached }) {
          cachedNow = cached;
          bar.update({ done: start + done, total: images.length, cached: cachedBefore + cached });
        },
      });
      cachedBefore += cachedNow;
      all.predictions.push(...predictions);
      all.failures.push(...failures);
      if (print) for (const result of [...predictions, ...failures]) print(result);
    }
  });
  return all;
}

async function sortInto(
  classifier: Classifier,
  predictions: Prediction[],
  folder: string,
  io: Io,
): Promise<void> {
  const { copied, known } = await copyByClass(predictions, classifier.data.classes, folder, io.signal);
  const sum = [...copied.values()].reduce((total, n) => total + n, 0);
  const list = [...copied].map(([name, n]) => `${name} ${n}`).join(', ');
  const already =
    known > 0 ? `; ${count(known, 'picture')} ${plural(known, 'was', 'were')} already there` : '';
  io.note(`Copied ${count(sum, 'picture')} to ${folder}${list && `: ${list}`}${already}`);
}

function tellFailures(failures: readonly Failure[], answered: number, io: Io): void {
  const [failure] = failures;
  if (!failure) return;
  if (failures.length === 1 && answered === 0) throw errorAbout(failure.image, failure.error);
  for (const { image, error } of failures) io.note(messageAbout(image, error.message));
  checkAllRead(
    failures.map(({ image }) => image),
    {
      all: failures.length + answered,
      code: 'predict/unreadable',
      hint: answered > 0 ? 'The other pictures are answered.' : undefined,
    },
  );
}

function resultJson(result: Prediction | Failure, top?: number) {
  if (isFailure(result)) return failureJson(result);
  const { ranking, ...answer } = result;
  return { ...answer, ranking: ranking.slice(0, top) };
}

/** The path without the folder that all pictures share, so that the distinct parts fit the column. */
function table(rows: readonly Prediction[], top: number, folder: string): Table<Prediction> {
  const others = {
    title: 'Then',
    value: ({ ranking }: Prediction) =>
      ranking
        .slice(1, top)
        .map(({ name, probability: p }) => `${name} ${probability(p)}`)
        .join(', '),
  };
  return {
    rows,
    columns: [
      { title: 'Picture', value: ({ image }) => image.slice(folder.length) },
      { title: 'Answer', value: ({ name, rejected }) => (rejected ? `none of these (${name}?)` : name) },
      { title: 'Sure', value: ({ probability: p }) => probability(p), align: 'right' },
      ...(top > 1 ? [others] : []),
    ],
  };
}

/** Unreadable pictures also have a row, because a table without them would look complete. */
function csvTable(results: readonly (Prediction | Failure)[], top: number): Table<Prediction | Failure> {
  const answered =
    (value: (prediction: Prediction) => string) =>
    (result: Prediction | Failure): string =>
      isFailure(result) ? '' : value(result);
  const first = results.find((result): result is Prediction => !isFailure(result));
  // Every answer ranks all classes.
  const ranks = Array.from({ length: Math.min(top, first?.ranking.length ?? 1) }, (_, i) => i);
  return {
    rows: results,
    columns: [
      { title: 'image', value: ({ image }) => image },
      { title: 'id', value: answered(({ id }) => id) },
      { title: 'name', value: answered(({ name }) => name) },
      { title: 'probability', value: answered(({ probability: p }) => p.toFixed(6)) },
      { title: 'calibrated', value: answered(({ calibrated }) => String(calibrated)) },
      { title: 'rejected', value: answered(({ rejected }) => String(rejected)) },
      ...ranks.slice(1).flatMap((rank) => [
        { title: `name_${rank + 1}`, value: answered(({ ranking }) => ranking[rank]!.name) },
        {
          title: `probability_${rank + 1}`,
          value: answered(({ ranking }) => ranking[rank]!.probability.toFixed(6)),
        },
      ]),
      { title: 'error', value: (result) => (isFailure(result) ? result.error.message : '') },
    ],
  };
}

const isFailure = (result: Prediction | Failure): result is Failure => 'error' in result;

/** The common beginning of all paths, up to a separator. */
function commonFolder(predictions: readonly Prediction[]): string {
  const [first = [], ...others] = predictions.map(({ image }) => image.split(/(?<=[\\/])/).slice(0, -1));
  const end = first.findIndex((part, i) => others.some((parts) => parts[i] !== part));
  return first.slice(0, end < 0 ? undefined : end).join('');
}
