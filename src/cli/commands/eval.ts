import type { Evaluation } from '../../classifier/types.ts';
import { readOptions } from '../../dataset/read-options.ts';
import { UsageError } from '../../errors.ts';
import { choice, flag, optional, text } from '../../options.ts';
import { calibrationMark } from '../../report/choice.ts';
import { leftOut } from '../../report/left-out.ts';
import { percent } from '../../report/numbers.ts';
import { renderCsv, type Table } from '../../report/table.ts';
import { writeFileAtomic } from '../../store/atomic.ts';
import { count } from '../../words.ts';
import { defineCommand, jsonOption, noEffect } from '../command.ts';
import { protocolText } from '../fitted-text.ts';
import { checkAllRead, findImages, PARTIAL_HINT } from '../images.ts';
import type { Io, Line } from '../io.ts';
import { withClassifier } from '../open-classifier.ts';
import { checkOutput } from '../output-checks.ts';
import { partJson, printJson, tableLines } from '../print.ts';
import { withBar } from '../progress-bars.ts';
import { suspectLines } from '../suspect-lines.ts';
import { readTold, refuseWarnings, strictOption, tellUncovered } from '../told-data.ts';

/** Number of classes shown without --json. If there are more, those with the lowest accuracy are shown. */
const SHOWN = 20;

export const evalCommand = defineCommand({
  args: ['<classifier>', '<data>'],
  options: {
    json: jsonOption,
    csv: flag({ help: 'Print the answer to each picture as CSV.' }),
    strict: strictOption,
    ...readOptions,
    suspects: flag({
      help: 'List the labels that are most likely wrong. Examples of the classifier are answered by classifiers that have not learnt from them.',
    }),
    split: optional(
      choice(['train', 'val', 'test'], {
        help: 'The split to evaluate on. Without it: the test split if there is one, otherwise all labelled pictures.',
      }),
    ),
    unknown: optional(
      text({
        value: '<folder>',
        help: 'Pictures of none of the classes, to measure how many of them are rejected.',
      }),
    ),
    report: optional(
      text({
        value: '<file>',
        help: 'Write an HTML page with pictures, charts and the confusion matrix.',
      }),
    ),
  },
  computes: 'on-device',
  examples: [
    ['tip-adapter eval pets.safetensors test/', 'Prints the accuracy, overall and for each class.'],
    ['tip-adapter eval pets.safetensors test/ --json > result.json', 'Prints everything as JSON.'],
    [
      'tip-adapter eval pets.safetensors test/ --unknown others/',
      'Also measures which thresholds reject pictures of other things.',
    ],
    ['tip-adapter eval pets.safetensors photos/ --suspects', 'Lists labels that may be wrong.'],
    ['tip-adapter eval pets.safetensors test/ --report pets.html', 'Writes a report as one HTML file.'],
  ],
  async check([path, source], { json, csv, report, unknown }) {
    if (json && csv) throw noEffect('csv', '--json', 'Leave out one of the two.');
    if (report) await checkOutput(report, [path, source, unknown]);
  },
  async run([path, source], { json, csv, strict, suspects, split, unknown, report, ...reading }, io) {
    const { signal } = io;
    const { followLinks, zipEncoding } = reading;
    const evaluation = await withClassifier(path, io, async (classifier) => {
      const dataset = await readTold(source, io, { ...reading, strict, askFrom: 1 });
      const strangers =
        unknown === undefined ? undefined : await findImages([unknown], io, { followLinks, zipEncoding });
      const result = await withBar(io, 'Encoding', (bar) =>
        classifier.evaluate(dataset, {
          split,
          suspects,
          unknown: strangers?.images,
          signal,
          onProgress: bar.update,
        }),
      );
      const evaluated = { ...result, failures: [...(strangers?.unread ?? []), ...result.failures] };
      if (report) {
        if (typeof dataset === 'string') throw noPictures();
        const { renderReport } = await import('../../report/index.ts');
        const { evalReport } = await import('../eval-report.ts');
        const command = `tip-adapter eval ${path} ${source} --report ${report}`;
        await writeFileAtomic(
          report,
          renderReport(await evalReport(classifier, result, dataset, command, signal)),
        );
      }
      tellUncovered(io, evaluated, dataset);
      return evaluated;
    });
    if (json) printJson(io, plain(evaluation));
    else if (csv) io.data(renderCsv(answerTable(evaluation)));
    else io.print([...summary(evaluation), '', ...details(io, evaluation, suspects)]);
    if (report) io.note(`Report: ${report}`);
    const { failures, findings, total } = evaluation;
    if (strict) refuseWarnings(findings, source);
    checkAllRead(
      failures.map(({ image }) => image),
      { all: total + failures.length, code: 'eval/unreadable', hint: PARTIAL_HINT },
    );
  },
});

function noPictures(): UsageError {
  return new UsageError('A report shows pictures, and a folder of features has none', {
    code: 'eval/report',
    hint: 'Use --json, or tip-adapter bench, which also draws charts for features.',
  });
}

/** The evaluation without rankings, which would be most of the output with many classes and pictures. */
function plain({ predictions, failures, ...measured }: Evaluation) {
  return {
    ...measured,
    ...partJson(failures),
    predictions: predictions.map(({ ranking: _, ...answer }) => answer),
  };
}

function summary(evaluation: Evaluation): string[] {
  const { accuracy, correct, total, interval, unknown, ...rest } = evaluation;
  const [low, high] = interval.map(percent);
  const { coverage, setSize } = rest.conformal;
  const sets =
    total > 1
      ? `; 90% prediction sets, measured on half of the pictures: ${percent(coverage)} hold the right class, ${setSize.toFixed(1)} classes on average`
      : '';
  const apart = unknown
    ? `Unknown classes: AUROC ${unknown.auroc.toFixed(3)} against ${count(unknown.pictures, 'picture')} of them`
    : undefined;
  return [
    `Accuracy ${percent(accuracy)} (${correct} of ${count(total, 'picture')}), 95% interval ${low} to ${high}`,
    ...leftOut(evaluation),
    `Probabilities${calibrationMark(rest)}: NLL ${rest.nll.toFixed(3)}, ECE ${percent(rest.ece)}, Brier ${rest.brier.toFixed(3)}${sets}`,
    ...(apart ? [apart] : []),
    `${rest.method}, encoder ${rest.encoder}, ${protocolText(rest.protocol)}, seed ${rest.seed}`,
  ];
}

function details(io: Io, evaluation: Evaluation, suspects: boolean): Line[] {
  if (suspects) {
    return suspectLines(io, evaluation.suspects);
  }
  const tested = evaluation.perClass.filter(({ total }) => total > 0);
  const most = tested.length > SHOWN;
  const shown = most ? [...tested].sort((a, b) => a.accuracy - b.accuracy).slice(0, SHOWN) : tested;
  const table = tableLines(io, classTable(shown));
  const lines = most
    ? [
        ...table,
        `These are the ${SHOWN} classes with the lowest accuracy, of ${tested.length}; --json lists all.`,
      ]
    : table;
  return [...lines, '', ...tableLines(io, thresholdTable(evaluation.thresholds))];
}

type Answer = Evaluation['predictions'][number] | Evaluation['failures'][number];

/** The answer to each picture. Unreadable pictures also have a row, because a table without them would look complete. */
function answerTable({ predictions, failures }: Evaluation): Table<Answer> {
  const answered = (value: (prediction: Evaluation['predictions'][number]) => string) => (answer: Answer) =>
    'error' in answer ? '' : value(answer);
  return {
    rows: [...predictions, ...failures],
    columns: [
      { title: 'image', value: ({ image }) => image },
      { title: 'label', value: answered(({ label }) => label) },
      { title: 'id', value: answered(({ id }) => id) },
      { title: 'probability', value: answered(({ probability }) => probability.toFixed(6)) },
      { title: 'correct', value: answered(({ id, label }) => String(id === label)) },
      { title: 'rejected', value: answered(({ rejected }) => String(rejected)) },
      { title: 'error', value: (answer) => ('error' in answer ? answer.error.message : '') },
    ],
  };
}

function thresholdTable(rows: Evaluation['thresholds']): Table<Evaluation['thresholds'][number]> {
  const hasUnknown = rows.some(({ unknownRejected }) => unknownRejected !== undefined);
  return {
    rows,
    columns: [
      { title: 'Reject below', value: ({ threshold }) => threshold.toFixed(4) },
      { title: 'Answered', value: ({ answered }) => percent(answered), align: 'right' },
      {
        title: 'Of these right',
        value: ({ accuracy }) => (Number.isNaN(accuracy) ? '–' : percent(accuracy)),
        align: 'right',
      },
      ...(hasUnknown
        ? [
            {
              title: 'Unknown rejected',
              value: ({ unknownRejected = 0 }: Evaluation['thresholds'][number]) => percent(unknownRejected),
              align: 'right' as const,
            },
          ]
        : []),
    ],
  };
}

function classTable(rows: Evaluation['perClass']): Table<Evaluation['perClass'][number]> {
  return {
    rows,
    columns: [
      { title: 'Class', value: ({ name }) => name },
      { title: 'Correct', value: ({ correct }) => correct },
      { title: 'Of', value: ({ total }) => total },
      { title: 'Accuracy', value: ({ accuracy }) => percent(accuracy), align: 'right' },
    ],
  };
}
