import type { Evaluation, Suspect } from '../../classifier/types.ts';
import { UsageError } from '../../errors.ts';
import { choice, flag, optional, text } from '../../options.ts';
import { percent, probability } from '../../report/numbers.ts';
import type { Table } from '../../report/table.ts';
import { writeFileAtomic } from '../../store/atomic.ts';
import { count } from '../../words.ts';
import { defineCommand, jsonOption } from '../command.ts';
import type { Io, Line } from '../io.ts';
import { failureJson, printJson, tableLines } from '../print.ts';
import { protocolText, tellFindings, tellSome } from '../wording.ts';
import { checkOutput, withBar, withClassifier } from '../work.ts';

/** Classes shown without --json; with more, those that go worst. */
const SHOWN = 20;

export const evalCommand = defineCommand({
  args: ['<classifier>', '<data>'],
  options: {
    json: jsonOption,
    suspects: flag({ help: 'List the labels that are most likely wrong.' }),
    split: optional(choice(['train', 'val', 'test'], { help: 'Judge by this split.' })),
    report: optional(
      text({
        value: '<file>',
        help: 'Write an HTML page with pictures, charts and the confusion of classes.',
      }),
    ),
  },
  computes: 'on-device',
  examples: [
    ['tip-adapter eval pets.safetensors test/', 'Accuracy, over all and by class.'],
    ['tip-adapter eval pets.safetensors test/ --json > result.json', 'Everything, for programs.'],
    ['tip-adapter eval pets.safetensors photos/ --suspects', 'Labels to look at again.'],
    ['tip-adapter eval pets.safetensors test/ --report pets.html', 'A page to look at, and to send around.'],
  ],
  async run([path, source], { json, suspects, split, report }, io) {
    if (report) await checkOutput(report);
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
  },
});

function noPictures(): UsageError {
  return new UsageError('A report shows pictures; a folder of features has none', {
    code: 'eval/report',
    hint: 'Use --json, or tip-adapter bench, which draws charts of features, too.',
  });
}

/** Without the rankings: with many classes and pictures they would be most of the text. */
function plain({ predictions, failures, ...measured }: Evaluation) {
  return {
    ...measured,
    failures: failures.map(failureJson),
    predictions: predictions.map(({ ranking: _, ...answer }) => answer),
  };
}

function tell(io: Io, { findings, excluded, failures }: Evaluation): void {
  tellFindings(io, findings);
  if (excluded.length > 0)
    io.note(`${count(excluded.length, 'picture')} left out: examples of the classifier itself.`);
  if (failures.length > 0) io.note(`${count(failures.length, 'picture')} could not be read:`);
  tellSome(
    io,
    failures.map(({ image, error }) => `${image}: ${error.message}`),
  );
}

function summary({ accuracy, correct, total, interval, unknown, ...rest }: Evaluation): string[] {
  const [low, high] = interval.map(percent);
  const { coverage, setSize } = rest.conformal;
  const sets =
    total > 1
      ? `; sets that may miss a tenth hold ${percent(coverage)}, ${setSize.toFixed(1)} classes on average`
      : '';
  const apart = unknown
    ? `Known from unknown: AUROC ${unknown.auroc.toFixed(3)} over ${count(unknown.pictures, 'picture')} of unknown classes`
    : undefined;
  return [
    `Accuracy ${percent(accuracy)} (${correct} of ${total}), 95% interval ${low} to ${high}`,
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
  const judged = evaluation.perClass.filter(({ total }) => total > 0);
  const most = judged.length > SHOWN;
  const shown = most ? [...judged].sort((a, b) => a.accuracy - b.accuracy).slice(0, SHOWN) : judged;
  const table = tableLines(io, classTable(shown));
  return most ? [...table, `The ${SHOWN} worst of ${judged.length} classes; --json has them all.`] : table;
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
