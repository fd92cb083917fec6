import type { Evaluation, Suspect } from '../../classifier/types.ts';
import { choice, flag, optional } from '../../options.ts';
import { percent, probability } from '../../report/numbers.ts';
import type { Table } from '../../report/table.ts';
import { defineCommand, jsonOption } from '../command.ts';
import type { Io } from '../io.ts';
import { failureJson, printJson, tableText } from '../print.ts';
import { plural, tellFindings, tellSome } from '../wording.ts';
import { withBar, withClassifier } from '../work.ts';

/** Classes shown without --json; with more, those that go worst. */
const SHOWN = 20;

export const evalCommand = defineCommand({
  args: ['<classifier>', '<data>'],
  options: {
    json: jsonOption,
    suspects: flag({ help: 'List the labels that are most likely wrong.' }),
    split: optional(choice(['train', 'val', 'test'], { help: 'Judge by this split.' })),
  },
  examples: [
    ['tip-adapter eval pets.safetensors test/', 'Accuracy, over all and by class.'],
    ['tip-adapter eval pets.safetensors test/ --json > result.json', 'Everything, for programs.'],
    ['tip-adapter eval pets.safetensors photos/ --suspects', 'Labels to look at again.'],
  ],
  async run([path, data], { json, suspects, split }, io) {
    const evaluation = await withClassifier(path, (classifier) =>
      withBar(io, 'Encoding', (bar) =>
        classifier.evaluate(data, { split, signal: io.signal, onProgress: bar.update }),
      ),
    );
    tell(io, evaluation);
    if (json) printJson(io, { ...evaluation, failures: evaluation.failures.map(failureJson) });
    else io.stdout.write(`${summary(evaluation)}\n\n${details(io, evaluation, suspects)}\n`);
  },
});

function tell(io: Io, { findings, excluded, failures }: Evaluation): void {
  tellFindings(io, findings);
  if (excluded.length > 0)
    io.note(`${plural(excluded.length, 'picture')} left out: examples of the classifier itself.`);
  if (failures.length > 0) io.note(`${plural(failures.length, 'picture')} could not be read:`);
  tellSome(
    io,
    failures.map(({ image, error }) => `${image}: ${error.message}`),
  );
}

function summary({ accuracy, correct, total, interval, ...rest }: Evaluation): string {
  const [low, high] = interval.map(percent);
  return (
    `Accuracy ${percent(accuracy)} (${correct} of ${total}), 95% interval ${low} to ${high}\n` +
    `${rest.method}, encoder ${rest.encoder}, tuned by ${rest.protocol}, seed ${rest.seed}`
  );
}

function details(io: Io, evaluation: Evaluation, suspects: boolean): string {
  if (suspects) {
    const { suspects: found } = evaluation;
    return found.length > 0 ? tableText(io, suspectTable(found)) : 'No label looks wrong.';
  }
  const judged = evaluation.perClass.filter(({ total }) => total > 0);
  const most = judged.length > SHOWN;
  const shown = most ? [...judged].sort((a, b) => a.accuracy - b.accuracy).slice(0, SHOWN) : judged;
  const table = tableText(io, classTable(shown));
  return most ? `${table}\nThe ${SHOWN} worst of ${judged.length} classes; --json has them all.` : table;
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
