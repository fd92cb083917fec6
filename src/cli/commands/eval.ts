import type { Evaluation, Suspect } from '../../classifier/types.ts';
import { countUnread } from '../../dataset/findings.ts';
import { messageAbout, UsageError } from '../../errors.ts';
import { choice, flag, optional, text } from '../../options.ts';
import { leftOut } from '../../report/left-out.ts';
import { percent, probability } from '../../report/numbers.ts';
import type { Table } from '../../report/table.ts';
import { writeFileAtomic } from '../../store/atomic.ts';
import { count } from '../../words.ts';
import { defineCommand, jsonOption } from '../command.ts';
import { protocolText } from '../fitted-text.ts';
import { checkAllRead, PARTIAL_HINT } from '../images.ts';
import type { Io, Line } from '../io.ts';
import { withClassifier } from '../open-classifier.ts';
import { checkOutput } from '../output-checks.ts';
import { partJson, printJson, tableLines } from '../print.ts';
import { withBar } from '../progress-bars.ts';
import { tellFindings, tellSome } from '../tell.ts';

/** Number of classes shown without --json. If there are more, those with the lowest accuracy are shown. */
const SHOWN = 20;

export const evalCommand = defineCommand({
  args: ['<classifier>', '<data>'],
  options: {
    json: jsonOption,
    suspects: flag({ help: 'List the labels that are most likely wrong.' }),
    split: optional(
      choice(['train', 'val', 'test'], {
        help: 'The split to evaluate on. Without it: the test split if there is one, otherwise all labelled pictures.',
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
    ['tip-adapter eval pets.safetensors test/ --suspects', 'Lists labels that may be wrong.'],
    ['tip-adapter eval pets.safetensors test/ --report pets.html', 'Writes a report as one HTML file.'],
  ],
  async check([path, source], { report }) {
    if (report) await checkOutput(report, [path, source]);
  },
  async run([path, source], { json, suspects, split, report }, io) {
    const { signal } = io;
    const evaluation = await withClassifier(path, async (classifier) => {
      const { isFeatureDump } = await import('../../dataset/feature-dump.ts');
      const { readDataset } = await import('../../dataset/read.ts');
      const dataset = (await isFeatureDump(source)) ? source : await readDataset(source, { signal });
      const result = await withBar(io, 'Encoding', (bar) =>
        classifier.evaluate(dataset, { split, signal, onProgress: bar.update }),
      );
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
      return result;
    });
    tell(io, evaluation);
    if (json) printJson(io, plain(evaluation));
    else io.print([...summary(evaluation), '', ...details(io, evaluation, suspects)]);
    if (report) io.note(`Report: ${report}`);
    const { failures, total } = evaluation;
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

function tell(io: Io, { findings, failures }: Evaluation): void {
  tellFindings(io, findings);
  if (failures.length > 0) io.note(`${countUnread(failures.map(({ image }) => image))} could not be read:`);
  tellSome(
    io,
    failures.map(({ image, error }) => messageAbout(image, error.message)),
  );
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
    `Probabilities${rest.calibrated ? '' : ' (not calibrated)'}: NLL ${rest.nll.toFixed(3)}, ECE ${percent(rest.ece)}, Brier ${rest.brier.toFixed(3)}${sets}`,
    ...(apart ? [apart] : []),
    `${rest.method}, encoder ${rest.encoder}, ${protocolText(rest.protocol)}, seed ${rest.seed}`,
  ];
}

function details(io: Io, evaluation: Evaluation, suspects: boolean): Line[] {
  if (suspects) {
    const { suspects: found } = evaluation;
    return found.length > 0 ? tableLines(io, suspectTable(found)) : ['No label looks wrong.'];
  }
  const tested = evaluation.perClass.filter(({ total }) => total > 0);
  const most = tested.length > SHOWN;
  const shown = most ? [...tested].sort((a, b) => a.accuracy - b.accuracy).slice(0, SHOWN) : tested;
  const table = tableLines(io, classTable(shown));
  return most
    ? [
        ...table,
        `These are the ${SHOWN} classes with the lowest accuracy, of ${tested.length}; --json lists all.`,
      ]
    : table;
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

function suspectTable(rows: readonly Suspect[]): Table<Suspect> {
  return {
    rows,
    columns: [
      { title: 'Picture', value: ({ image }) => image },
      { title: 'Label', value: ({ label }) => label },
      { title: 'Sure', value: ({ labelProbability }) => probability(labelProbability), align: 'right' },
      { title: 'Looks like', value: ({ predicted }) => predicted },
      {
        title: 'Sure',
        value: ({ predictedProbability }) => probability(predictedProbability),
        align: 'right',
      },
    ],
  };
}
