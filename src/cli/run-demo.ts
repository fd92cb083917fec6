import { mkdir } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { type DemoPoint, type DemoResult, type DemoRow, demonstrate } from '../bench/demo-comparison.ts';
import type { Evaluation, ImageSource } from '../classifier/index.ts';
import { countUnread } from '../dataset/findings.ts';
import { renderReport, type Table } from '../report/index.ts';
import { percent, probability } from '../report/numbers.ts';
import { writeFileAtomic } from '../store/atomic.ts';
import { count } from '../words.ts';
import { openBrowser } from './browser.ts';
import { demoReport } from './demo-report.ts';
import { methodText } from './fitted-text.ts';
import { programName } from './format.ts';
import { checkAllRead, PARTIAL_HINT } from './images.ts';
import type { Io } from './io.ts';
import { partJson, printJson, tableLines } from './print.ts';
import { tellFindings } from './tell.ts';

export interface DemoSettings {
  /** The folder for the classifier and the report. */
  readonly output: string;
  readonly seed: number;
  readonly encoder: string;
  /** Whether to download the small CLIP without asking. */
  readonly yes: boolean;
  /** Whether to open the report in a browser. */
  readonly open: boolean;
  /** Whether to print the figures as JSON instead of tables. */
  readonly json: boolean;
}

/** Number of test pictures whose answers are shown with their nearest examples. */
const SHOWN = 5;

/** Runs the demo on sample pictures or the user's own: compares methods, saves a classifier and writes a report. */
export async function runDemo(data: string | undefined, settings: DemoSettings, io: Io): Promise<void> {
  const shown = settings.json ? { ...io, print() {} } : io;
  let reason = '';
  const bar = io.progress('Encoding pictures');
  const pulling = io.progress('Getting the encoder');
  const fetching = io.progress('Getting the sample photos');
  const result = await demonstrate(data, {
    encoder: settings.encoder,
    seed: settings.seed,
    ask: settings.yes ? async () => true : io.ask,
    signal: io.signal,
    note: (line) => {
      // The first note says which encoder is used, and why. It is the first line of the output.
      if (reason || settings.json) io.note(line);
      else io.print(line);
      reason ||= line;
    },
    onPull: ({ received, total = 0 }) => pulling.update({ done: received, total, unit: 'bytes' }),
    onPhotos: ({ received, total = 0 }) => fetching.update({ done: received, total, unit: 'bytes' }),
    onProgress: (state) => bar.update(state),
  }).finally(() => {
    bar.done();
    pulling.done();
    fetching.done();
  });

  const { dataset, findings, train, test, encodeSeconds } = result;
  const unread = [...new Set(result.unread.map(({ image }) => image))];
  if (data !== undefined) tellFindings(io, findings);
  shown.print([
    '',
    `${result.source.pictures}.`,
    `Licences: ${result.source.licence}.`,
    `${count(dataset.classes.length, 'class', 'classes')}, ${count(train, 'picture')} to learn from, ${test.truth.length} to test on; ` +
      `read and encoded in ${encodeSeconds.toFixed(1)} s.`,
    ...(unread.length > 0 ? [`${countUnread(unread)} could not be read; no figure is about them.`] : []),
    '',
    `Accuracy on the ${count(test.truth.length, 'test picture')}, by the number of examples of each class:`,
    ...tableLines(io, methodTable(result)),
    ...explainNames(result.rows),
  ]);
  const fitted = result.best.classifier.data;
  const { folds, judges } = fitted.tuning;
  const chosen =
    folds > 0
      ? `on ${count(folds, 'fold')} of the ${count(judges, 'example')} alone`
      : 'by a rule, because there are too few examples to compare methods on';
  shown.print([`auto chose ${methodText(fitted)}, ${chosen}.`, '']);
  if (!settings.json) await showAnswers(result, io);
  const files = await saveAll(result, settings, reason, data, shown);
  if (settings.json) printJson(io, { ...figures(result), seed: settings.seed, ...files });
  await result.close();
  checkAllRead(unread, { code: 'demo/unreadable', hint: PARTIAL_HINT });
}

function figures({ dataset, source, train, test, rows, best, unread }: DemoResult) {
  return {
    dataset: dataset.name,
    ...source,
    encoder: best.classifier.data.encoder.id,
    classes: dataset.classes.length,
    train,
    test: test.truth.length,
    ...partJson(unread),
    rows: rows.map(({ name, classifier, seconds, points }) => ({
      name,
      method: classifier.data.method,
      seconds,
      points: points.map(({ shots, evaluation: { correct, total, accuracy, interval } }) => {
        return { shots, correct, total, accuracy, interval };
      }),
    })),
  };
}

function methodTable({ rows }: DemoResult): Table<DemoRow> {
  const shots = [...new Set(rows.flatMap(({ points }) => points.map((point) => point.shots)))].sort(
    (a, b) => a - b,
  );
  const at = ({ points }: DemoRow, wanted: number) =>
    points.find((point) => point.shots === wanted)?.evaluation;
  return {
    columns: [
      { title: 'Method', value: ({ name }) => name },
      ...shots.map((k) => ({
        title: String(k),
        value: (row: DemoRow) => {
          const evaluation = at(row, k);
          return evaluation ? percent(evaluation.accuracy) : '';
        },
        align: 'right' as const,
      })),
      { title: '95% interval of the last', value: (row) => intervalText(lastOf(row)), align: 'right' },
      { title: 'Seconds', value: ({ seconds }) => seconds.toFixed(2), align: 'right' },
    ],
    rows,
  };
}

/**
 * Explains an accuracy of Tip-Adapter that is below that of the examples alone: the scores of the names are the only part that the two rows
 * do not share.
 */
export function explainNames([names, examples, tipAdapter]: readonly DemoRow[]): string[] {
  const [alone, without, together] = [names!, examples!, tipAdapter!].map((row) => lastOf(row).accuracy);
  if (together! >= without!) return [];
  return [
    'Tip-Adapter is below the examples alone here, because it also counts the names. ' +
      `By the names alone, this encoder recognises ${percent(alone!)} of the pictures.`,
  ];
}

const lastOf = ({ points }: DemoRow) => (points.at(-1) as DemoPoint).evaluation;

const intervalText = ({ interval: [low, high] }: Evaluation) => `${percent(low)} to ${percent(high)}`;

/** Prints a few test pictures, evenly spread, with the examples of the largest weight for the answer. */
async function showAnswers({ best, test, dataset }: DemoResult, io: Io): Promise<void> {
  const { classifier } = best;
  const pictures = new Map(dataset.examples.map((example) => [example.id, example]));
  const step = Math.max(1, Math.floor(test.truth.length / SHOWN));
  io.print('Pictures that the classifier has not seen, and the examples most like them:');
  for (const { id, label } of test.truth.filter((_, i) => i % step === 0).slice(0, SHOWN)) {
    const { prediction, contributions } = await classifier.explain(pictures.get(id) as ImageSource);
    const truth = classifier.data.classes[label]!;
    const verdict = prediction.id === truth.id ? 'right' : `wrong: ${truth.name}`;
    const alike = contributions.filter(({ classId }) => classId === prediction.id).slice(0, 2);
    io.print([
      `  ${id}`,
      `    ${prediction.name}, ${probability(prediction.probability)} sure (${verdict}); ` +
        `like ${alike.map(({ example }) => example).join(', ')}`,
    ]);
  }
}

async function saveAll(
  result: DemoResult,
  { output, seed, open }: DemoSettings,
  reason: string,
  data: string | undefined,
  io: Io,
): Promise<{ classifier: string; report: string }> {
  await mkdir(output, { recursive: true });
  const name = result.dataset.name.replace(/[^\p{L}\p{N}._-]+/gu, '-') || 'classifier';
  const file = join(output, `${name}.safetensors`);
  const page = join(output, `${name}.html`);
  const command = `tip-adapter demo${data ? ` ${data}` : ''} --seed ${seed}`;
  await result.best.classifier.save(file);
  await writeFileAtomic(page, renderReport(await demoReport(result, { reason, command })));
  const shown = (path: string) => relative(process.cwd(), path) || path;
  io.print([
    '',
    `The classifier is saved in ${shown(file)}.`,
    `A report with pictures is in ${shown(page)}: open it in a browser.`,
    '',
    'To classify a picture:',
    `  ${programName()} predict ${shown(file)} picture.jpg`,
  ]);
  if (open) openBrowser(resolve(page), io);
  if (data === undefined) {
    io.print([
      'To do the same with your own photos, with a folder for each class:',
      `  ${programName()} demo ./my-photos`,
    ]);
  }
  return { classifier: file, report: page };
}
