import type { Comparison, Disagreement, Side } from '../../bench/compare.ts';
import type { Dataset } from '../../dataset/types.ts';
import { choice, optional } from '../../options.ts';
import { percent, probability } from '../../report/numbers.ts';
import type { Table } from '../../report/table.ts';
import { count, plural } from '../../words.ts';
import { defineCommand, jsonOption } from '../command.ts';
import type { Io } from '../io.ts';
import { printJson, tableLines } from '../print.ts';
import { protocolText, tellFindings } from '../wording.ts';
import { withBar, withClassifier } from '../work.ts';

/** Pictures shown without --json. */
const SHOWN = 40;

export const compareCommand = defineCommand({
  args: ['<first>', '<second>', '<data>'],
  options: {
    json: jsonOption,
    split: optional(choice(['train', 'val', 'test'], { help: 'Judge by this split.' })),
  },
  computes: 'on-device',
  examples: [
    ['tip-adapter compare old.safetensors new.safetensors test/', 'Which is better, and how surely.'],
    [
      'tip-adapter compare old.safetensors new.safetensors test/ --json',
      'With every picture on which they differ.',
    ],
  ],
  async run([first, second, source], { json, split }, io) {
    const { isFeatureDump } = await import('../../dataset/feature-dump.ts');
    const { readDataset } = await import('../../dataset/read.ts');
    const { compareEvaluations } = await import('../../bench/compare.ts');
    const { signal } = io;
    const dataset = (await isFeatureDump(source)) ? source : await readDataset(source, { signal });
    const evaluate = (path: string, data: Dataset | string) =>
      withClassifier(path, (classifier) =>
        withBar(io, path, (bar) => classifier.evaluate(data, { split, signal, onProgress: bar.update })),
      );
    const evaluations = [await evaluate(first, dataset), await evaluate(second, dataset)] as const;
    const known = new Set<string>();
    for (const { findings, failures } of evaluations) {
      tellFindings(
        io,
        findings.filter(({ message }) => !known.has(message)),
      );
      for (const { message } of findings) known.add(message);
      if (failures.length > 0) io.note(`${count(failures.length, 'picture')} could not be read.`);
    }
    const comparison = compareEvaluations(...evaluations);
    if (json) return printJson(io, comparison);
    tell(io, comparison, [first, second]);
  },
});

function tell(io: Io, comparison: Comparison, paths: readonly [string, string]): void {
  const { total, leftOut, disagreements, difference, interval, onlyFirst, onlySecond, p } = comparison;
  if (leftOut.length > 0) {
    io.note(
      `${count(leftOut.length, 'picture')} left out: only one of the two can be judged by ${plural(leftOut.length, 'it', 'them')}.`,
    );
  }
  const [low, high] = interval.map(points);
  io.print([
    ...tableLines(io, sideTable(comparison, paths)),
    '',
    `${points(difference)} points for the first on ${count(total, 'picture')} (95% interval ${low} to ${high}).`,
    `Only the first is right on ${onlyFirst}, only the second on ${onlySecond}: p ${p < 1e-4 ? '< 0.0001' : p.toFixed(4)} (McNemar's exact test).`,
  ]);
  if (disagreements.length === 0) return;
  io.print(['', ...tableLines(io, pictureTable(disagreements.slice(0, SHOWN)))]);
  if (disagreements.length > SHOWN)
    io.print(`The first ${SHOWN} of ${disagreements.length}; --json has them all.`);
}

/** Signed, since the second may be the better one. */
function points(share: number): string {
  return `${share < 0 ? '−' : '+'}${Math.abs(100 * share).toFixed(1)}`;
}

function sideTable(
  { first, second }: Comparison,
  paths: readonly [string, string],
): Table<Side & { path: string }> {
  return {
    rows: [
      { ...first, path: paths[0] },
      { ...second, path: paths[1] },
    ],
    columns: [
      { title: 'Classifier', value: ({ path }) => path },
      { title: 'Method', value: ({ method, protocol }) => `${method}, ${protocolText(protocol)}` },
      { title: 'Encoder', value: ({ encoder }) => encoder },
      { title: 'Correct', value: ({ correct }) => correct },
      { title: 'Accuracy', value: ({ accuracy }) => percent(accuracy), align: 'right' },
      { title: '95%', value: ({ interval }) => interval.map(percent).join(' to '), align: 'right' },
      {
        title: 'NLL',
        value: ({ nll, calibrated }) => `${nll.toFixed(3)}${calibrated ? '' : ' (not calibrated)'}`,
        align: 'right',
      },
    ],
  };
}

const MARK = { first: 'first', second: 'second', neither: '–' } as const;

function pictureTable(rows: readonly Disagreement[]): Table<Disagreement> {
  return {
    rows,
    columns: [
      { title: 'Picture', value: ({ image }) => image },
      { title: 'Label', value: ({ label }) => label },
      { title: 'First says', value: ({ first }) => first },
      { title: 'Sure', value: ({ firstProbability }) => probability(firstProbability), align: 'right' },
      { title: 'Second says', value: ({ second }) => second },
      { title: 'Sure', value: ({ secondProbability }) => probability(secondProbability), align: 'right' },
      { title: 'Right', value: ({ right }) => MARK[right] },
    ],
  };
}
