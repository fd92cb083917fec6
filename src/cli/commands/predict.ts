import { extname } from 'node:path';
import { answerOptions } from '../../classifier/answer-options.ts';
import type { Classifier } from '../../classifier/index.ts';
import type { Failure, Prediction } from '../../classifier/types.ts';
import { type ListValues, listOptions } from '../../dataset/read-options.ts';
import { errorAbout, messageAbout, throwIfAborted, UsageError } from '../../errors.ts';
import { flag, integer, optional, realOr, text } from '../../options.ts';
import { jsonText } from '../../printable.ts';
import { calibrationText, isCalibratedOnAll } from '../../report/choice.ts';
import { renderCsv } from '../../report/table.ts';
import { writeFileAtomic } from '../../store/atomic.ts';
import { isHubData } from '../../store/store-address.ts';
import { count, plural } from '../../words.ts';
import {
  type AdaptedPredictions,
  adaptedNotes,
  adaptingMethodOptions,
  adaptingOptions,
  askedAdapting,
  predictAdapted,
} from '../adapting.ts';
import { defineCommand, jsonOption, noEffect } from '../command.ts';
import { checkAllRead, findImages, idOf, type Picture } from '../images.ts';
import type { Io } from '../io.ts';
import { withClassifier } from '../open-classifier.ts';
import { checkOutput, checkOutputFolder } from '../output-checks.ts';
import { checkAnswerFolder, isAnswerFolder, predictInto } from '../predict-folder.ts';
import { answerTable, commonFolder, csvTable, resultJson } from '../prediction-output.ts';
import { failureJson, printJson, rounded, tableLines } from '../print.ts';
import { withBar } from '../progress-bars.ts';
import { checkQueue, queueOptions } from '../queue-options.ts';
import { copyByClass } from '../sorting.ts';
import { tellFindings } from '../tell.ts';

/** Number of pictures answered together, after which NDJSON lines are printed. */
const TOGETHER = 256;

const options = {
  top: optional(
    integer({ min: 1, help: 'Number of classes to show for each picture (default: 1; in JSON, all).' }),
  ),
  reject: optional(
    realOr(['auto'], {
      min: 0,
      max: 1,
      help: 'Answer "none of these" below this probability. auto takes the threshold that 95% of the right answers to left-out examples lie above.',
    }),
  ),
  sigmoid: answerOptions.sigmoid,
  copyTo: optional(
    text({
      value: '<folder>',
      help: 'Copy each picture into a folder of its class. Existing files are not overwritten.',
    }),
  ),
  ...listOptions,
  ...adaptingOptions,
  output: optional(
    text({
      short: 'o',
      value: '<file>',
      help: 'Write the answers to this file as CSV, JSON or NDJSON, by its ending or by the option. Into a folder (answers/) or bucket (s3://…) they are written as Parquet files of about 2,000 pictures each; an interrupted run continues.',
    }),
  ),
  ...queueOptions,
  json: jsonOption,
  csv: flag({ help: 'Print CSV.' }),
  ndjson: flag({ help: 'Print one line of JSON for each picture as soon as it is answered.' }),
} as const;

export const predictCommand = defineCommand({
  args: ['<classifier>', '<images...>'],
  options,
  more: async (argv) => adaptingMethodOptions(argv),
  computes: 'on-device',
  examples: [
    ['tip-adapter predict pets.safetensors new.jpg holiday/', 'Prints a table.'],
    [
      'tip-adapter predict pets.safetensors holiday/ --copy-to sorted --reject auto',
      'Sorts photos into folders.',
    ],
    [
      'find . -name "*.jpg" | tip-adapter predict pets.safetensors - --csv',
      'Takes paths from stdin and prints CSV.',
    ],
    [
      'tip-adapter predict pets.safetensors holiday/ --together',
      'Answers the photos of a folder together: they help to label each other (transductive).',
    ],
    [
      'tip-adapter predict pets.safetensors holiday/ -o answers/',
      'Writes Parquet files. The same command continues an interrupted run.',
    ],
  ],
  async check([path, ...given], values) {
    const { reject, sigmoid, copyTo, output } = values;
    await checkQueue(values);
    if (isAnswerFolder(output)) {
      const { json, csv, ndjson, together, stream, method, top } = values;
      const auto = reject === 'auto' ? { reject } : {};
      const idle = { sigmoid, copyTo, json, csv, ndjson, together, stream, method, top, ...auto };
      return checkAnswerFolder(output, given, listingOf(values), idle);
    }
    if (values.queue !== undefined)
      throw noEffect('queue', 'answers in one file', 'Give -o answers/ or -o s3://bucket/answers/.');
    const adapting = askedAdapting(values);
    if (adapting && reject === 'auto') {
      throw noEffect(
        'reject auto',
        `--${adapting.how}`,
        'Its threshold is for answers one by one. Give a number.',
      );
    }
    if (adapting && sigmoid)
      throw noEffect(
        'sigmoid',
        `--${adapting.how}`,
        "Its answers do not have the encoder's own probabilities.",
      );
    if (sigmoid && reject === 'auto')
      throw noEffect(
        'reject auto',
        '--sigmoid',
        'Its threshold is for probabilities that add up to 1. Give a number.',
      );
    if (FORMATS.filter((format) => values[format]).length > 1) {
      throw new UsageError('The options --json, --csv and --ndjson exclude each other', {
        code: 'usage',
        hint: 'Give one of them.',
      });
    }
    if (copyTo && given.some(isHubData)) {
      throw noEffect(
        'copyTo',
        given.find(isHubData)!,
        'The pictures of a data set on the hub are not single files, so they cannot be copied.',
      );
    }
    if (copyTo) await checkOutputFolder(copyTo);
    if (output === undefined) return;
    await checkOutput(output, [path, ...given]);
    if (formatOf(output, values)) return;
    throw new UsageError(`The format of ${output} is not known`, {
      code: 'usage',
      hint: 'Give it the ending .csv, .json or .ndjson, or add --csv, --json or --ndjson.',
    });
  },
  async run([path, ...given], values, screen) {
    const { top, reject, sigmoid, copyTo, output } = values;
    const listing = listingOf(values);
    if (isAnswerFolder(output)) {
      const { queue, detach } = values;
      // `check` has refused `auto`.
      const threshold = reject === 'auto' ? undefined : reject;
      return predictInto(path, given[0]!, { output, reject: threshold, queue, detach, listing }, screen);
    }
    const format = formatOf(output, values);
    const adapting = askedAdapting(values);
    const written: string[] = [];
    const io = output === undefined ? screen : writingTo(written, screen);
    const { predictions, failures } = await withClassifier(path, io, async (classifier) => {
      const { images, unread } = await findImages(given, io, { except: copyTo, ...listing });
      const print =
        format === 'ndjson'
          ? (result: Prediction | Failure) =>
              io.print(jsonText(resultJson(result, top), { replacer: rounded }))
          : undefined;
      for (const failure of unread) print?.(failure);
      const threshold = reject === 'auto' ? await thresholdOf(classifier, io) : reject;
      const results: AdaptedPredictions = adapting
        ? await predictAdapted(
            classifier,
            images,
            adapting,
            { reject: threshold, options: ownOptions(values), print },
            io,
          )
        : await predictAll(classifier, images, { reject: threshold, sigmoid, print }, io);
      results.failures.unshift(...unread);
      const pictures = results.predictions.length;
      const counts = { pictures, classes: classifier.data.classes.length };
      if (adapting) adaptedNotes(adapting, { ...results, ...counts }).forEach(io.note);
      else if (sigmoid) io.note(SIGMOID);
      else if (pictures > 0 && !isCalibratedOnAll(classifier.data)) io.note(calibrationText(classifier.data));
      warnOfRejection(results.predictions, threshold ?? (sigmoid ? 0 : classifier.data.reject), io);
      if (copyTo) await sortInto(classifier, results.predictions, { images, folder: copyTo }, io);
      return results;
    });
    if (format === 'json') {
      const answers = predictions.map((prediction) => resultJson(prediction, top));
      printJson(io, { predictions: answers, failures: failures.map(failureJson) });
    } else if (format === 'csv') io.data(renderCsv(csvTable([...predictions, ...failures], top ?? 1)));
    else if (!format && predictions.length > 0)
      io.print(
        tableLines(io, answerTable(predictions, top ?? 1, io.terminal ? commonFolder(predictions) : '')),
      );
    if (output !== undefined) {
      await writeFileAtomic(output, written.join(''));
      io.note(`Written: ${output}`);
    }
    tellFailures(failures, predictions.length, io);
  },
});

const SIGMOID =
  "The probabilities are the encoder's own, each of its class alone: they do not add up to 1, and they are not calibrated.";

/** How folders and archives of pictures are listed. */
const listingOf = ({ followLinks, zipEncoding }: ListValues): ListValues => ({ followLinks, zipEncoding });

/** The values of the options of a method without labels, which `more` adds. */
function ownOptions(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([name]) => !(name in options)));
}

const FORMATS = ['json', 'csv', 'ndjson'] as const;
type Format = (typeof FORMATS)[number];

/** The format that an option names, or else the ending of the output. */
function formatOf(output: string | undefined, flags: Readonly<Record<Format, boolean>>): Format | undefined {
  const ending = output && extname(output).toLowerCase().slice(1).replace('jsonl', 'ndjson');
  return FORMATS.find((format) => flags[format]) ?? FORMATS.find((format) => format === ending);
}

/** The same input and output, whose results are collected instead of printed. */
function writingTo(written: string[], io: Io): Io {
  return {
    ...io,
    print: (lines) => written.push(...[lines].flat().map((line) => `${line}\n`)),
    data: (text) => written.push(text),
  };
}

/** The threshold by the rule, or 0 if no example can be left out. */
async function thresholdOf(classifier: Classifier, io: Io): Promise<number> {
  const { rejectFinding } = await import('../../classifier/auto-reject.ts');
  const threshold = await classifier.autoReject({ signal: io.signal });
  tellFindings(io, [rejectFinding(threshold, classifier.data)]);
  return threshold ?? 0;
}

/** Warns if a threshold rejects every picture: it then says more about the classifier than about the pictures. */
function warnOfRejection(predictions: readonly Prediction[], threshold: number, io: Io): void {
  if (predictions.length < 2 || predictions.some(({ rejected }) => !rejected)) return;
  const largest = Math.max(...predictions.map(({ probability: p }) => p));
  const text = `All ${count(predictions.length, 'picture')} are below the threshold of ${threshold}; the largest probability is ${largest.toFixed(4)}. --reject auto takes a threshold from the examples.`;
  io.note({ style: 'yellow', mark: 'warning:', text });
}

async function predictAll(
  classifier: Classifier,
  images: readonly Picture[],
  {
    reject,
    sigmoid,
    print,
  }: { reject?: number; sigmoid: boolean; print?(result: Prediction | Failure): void },
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
        sigmoid,
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
  { images, folder }: { images: readonly Picture[]; folder: string },
  io: Io,
): Promise<void> {
  const { signal } = io;
  const pictures = new Map(images.map((image) => [idOf(image), image]));
  const placed = predictions.map(({ image, id, rejected }) => {
    return { picture: pictures.get(image) as Picture, id, rejected };
  });
  const { copied, known } = await copyByClass(placed, classifier.data.classes, folder, signal);
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
