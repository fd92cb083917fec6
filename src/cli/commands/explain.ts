import type { Contribution, ExplainedClass, Explanation } from '../../classifier/types.ts';
import { integer } from '../../options.ts';
import { probability } from '../../report/numbers.ts';
import type { Table } from '../../report/table.ts';
import { defineCommand, jsonOption } from '../command.ts';
import { withClassifier } from '../open-classifier.ts';
import { printJson, tableLines } from '../print.ts';

export const explainCommand = defineCommand({
  args: ['<classifier>', '<image>'],
  computes: 'on-cpu',
  options: {
    top: integer({ default: 5, min: 1, help: 'Number of classes and examples to show.' }),
    json: jsonOption,
  },
  examples: [
    [
      'tip-adapter explain pets.safetensors new.jpg',
      'Prints the parts of the score, and the examples that count most.',
    ],
  ],
  async run([path, image], { top, json }, io) {
    const explanation = await withClassifier(path, io, (classifier) =>
      classifier.explain(image, { signal: io.signal }),
    );
    if (json) return printJson(io, plain(explanation, top));
    const { prediction, part, classes, contributions } = explanation;
    const sure = `${probability(prediction.probability)} sure${prediction.calibrated ? '' : ' (not calibrated)'}`;
    const answer = prediction.rejected ? `none of these (${prediction.name}?)` : prediction.name;
    io.print([
      `${image}: ${answer}, ${sure}`,
      '',
      ...tableLines(io, classTable(classes.slice(0, top), part)),
    ]);
    if (contributions.length === 0) return;
    const heading = part === 'cache' ? 'Examples that count most' : 'Nearest examples';
    io.print(['', heading, '', ...tableLines(io, exampleTable(contributions.slice(0, top), part))]);
  },
});

/** The explanation without thumbnails, which are bytes. */
function plain({ contributions, classes, ...rest }: Explanation, top: number) {
  return {
    ...rest,
    classes: classes.slice(0, top),
    contributions: contributions.slice(0, top).map(({ thumbnail: _, ...shown }) => shown),
  };
}

const fixed = (value: number) => value.toFixed(2);

function classTable(rows: readonly ExplainedClass[], part: Explanation['part']): Table<ExplainedClass> {
  return {
    rows,
    columns: [
      { title: 'Class', value: ({ name }) => name },
      { title: 'Sure', value: ({ probability: p }) => probability(p), align: 'right' },
      { title: 'By name', value: ({ text }) => fixed(text), align: 'right' },
      {
        title: part === 'cache' ? 'By examples' : 'By method',
        value: ({ examples }) => fixed(examples),
        align: 'right',
      },
      { title: 'Score', value: ({ score }) => fixed(score), align: 'right' },
    ],
  };
}

function exampleTable(rows: readonly Contribution[], part: Explanation['part']): Table<Contribution> {
  const weight = {
    title: 'Adds',
    value: (row: Contribution) => (row.weight === undefined ? '' : fixed(row.weight)),
    align: 'right' as const,
  };
  return {
    rows,
    columns: [
      { title: 'Example', value: ({ example }) => example },
      { title: 'Class', value: ({ className }) => className },
      { title: 'Alike', value: ({ similarity }) => similarity.toFixed(3), align: 'right' },
      ...(part === 'cache' ? [weight] : []),
    ],
  };
}
