import { exampleCount, exampleCounts } from '../../classifier/example-counts.ts';
import { remarksOf } from '../../classifier/fit-findings.ts';
import type { ClassifierData } from '../../classifier/types.ts';
import { calibrationText, fineTunedText } from '../../report/choice.ts';
import { date } from '../../report/numbers.ts';
import type { Table } from '../../report/table.ts';
import { count } from '../../words.ts';
import { defineCommand, jsonOption } from '../command.ts';
import { methodText } from '../fitted-text.ts';
import { withClassifier } from '../open-classifier.ts';
import { printJson, tableLines } from '../print.ts';

export const infoCommand = defineCommand({
  args: ['<classifier>'],
  options: { json: jsonOption },
  examples: [
    ['tip-adapter info pets.safetensors', 'Prints classes, method, encoder and origin.'],
    ['tip-adapter info pets.safetensors --json', 'Adds the ids of all examples.'],
  ],
  async run([path], { json }, io) {
    const data = await withClassifier(path, io, async (classifier) => classifier.data);
    if (json) return printJson(io, description(data));
    io.print(facts(data).map(([name, value]) => `${name.padEnd(13)}${value}`));
    io.print(['', ...tableLines(io, classTable(data))]);
  },
});

function facts(data: ClassifierData): [string, string][] {
  const { encoder } = data;
  return [
    ['Method', methodText(data)],
    ...remarksOf(data).map((remark): [string, string] => ['', remark]),
    ['Calibration', calibrationText(data)],
    [
      'Encoder',
      `${encoder.id}, ${count(encoder.dimension, 'dimension')}, licence ${encoder.licence}${fineTunedText(encoder)}`,
    ],
    ['Prompt', data.head ? data.templates.join(' | ') : 'none: class names are not read'],
    [
      'Data',
      data.summary
        ? `${data.dataset}, a summary of ${count(exampleCount(data), 'example')}, which are not in the file`
        : `${data.dataset}, ${data.shots ? `at most ${count(data.shots, 'example')} per class` : 'all examples'}, seed ${data.seed}`,
    ],
    ['Rejects', data.reject > 0 ? `below ${data.reject}` : 'never'],
    ['Made', `${date(data.created)} by ${data.createdBy}; version ${data.version} of the file`],
  ];
}

function classTable(data: ClassifierData): Table<{ name: string; id: string; n: number }> {
  const counts = exampleCounts(data);
  return {
    rows: data.classes.map(({ name, id }, c) => ({ name, id, n: counts[c]! })),
    columns: [
      { title: 'Class', value: ({ name }) => name },
      { title: 'Examples', value: ({ n }) => n },
    ],
  };
}

function description(data: ClassifierData) {
  const { classes, support, examples, tuning, encoder, state: _, head, summary, ...rest } = data;
  const counts = exampleCounts(data);
  const { surface: __, ...tuned } = tuning;
  return {
    ...rest,
    encoder,
    ...(summary && { summarised: exampleCount(data) }),
    tuning: tuned,
    classes: classes.map((info, c) => ({ ...info, examples: counts[c], prompts: head?.prompts[c] ?? [] })),
    examples: examples.map(({ id, sha256 }, i) => ({ id, class: classes[support.labels[i]!]!.id, sha256 })),
  };
}
