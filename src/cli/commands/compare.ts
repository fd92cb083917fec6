import type { Comparison, Disagreement, Side } from '../../bench/paired-comparison.ts';
import type { Evaluation } from '../../classifier/types.ts';
import { readOptions } from '../../dataset/read-options.ts';
import type { Dataset } from '../../dataset/types.ts';
import { choice, optional } from '../../options.ts';
import { unreadLine } from '../../report/left-out.ts';
import { percent, probability } from '../../report/numbers.ts';
import type { Table } from '../../report/table.ts';
import { count, number, plural } from '../../words.ts';
import { defineCommand, jsonOption } from '../command.ts';
import { protocolText } from '../fitted-text.ts';
import { checkAllRead, PARTIAL_HINT } from '../images.ts';
import type { Io } from '../io.ts';
import { withClassifier } from '../open-classifier.ts';
import { printJson, tableLines } from '../print.ts';
import { withBar } from '../progress-bars.ts';
import { readTold, tellUncovered } from '../told-data.ts';

/** Number of pictures shown without --json. */
const SHOWN = 40;

export const compareCommand = defineCommand({
  args: ['<first>', '<second>', '<data>'],
  options: {
    json: jsonOption,
    ...readOptions,
    split: optional(
      choice(['train', 'val', 'test'], {
        help: 'The split to evaluate on. Without it: the test split if there is one, otherwise all labelled pictures.',
      }),
    ),
  },
  computes: 'on-device',
  examples: [
    [
      'tip-adapter compare old.safetensors new.safetensors test/',
      'Prints the difference of the accuracies with an interval.',
    ],
    [
      'tip-adapter compare old.safetensors new.safetensors test/ --json',
      'Lists every picture with different answers.',
    ],
  ],
  async run([first, second, source], { json, split, ...reading }, io) {
    const { compareEvaluations } = await import('../../bench/paired-comparison.ts');
    const { signal } = io;
    const dataset = await readTold(source, io, reading);
    const evaluate = (path: string, data: Dataset | string) =>
      withClassifier(path, io, (classifier) =>
        withBar(io, path, (bar) => classifier.evaluate(data, { split, signal, onProgress: bar.update })),
      );
    const evaluations = [await evaluate(first, dataset), await evaluate(second, dataset)] as const;
    const findings = distinct(
      evaluations.flatMap((evaluation) => evaluation.findings),
      ({ message }) => message,
    );
    const failures = distinct(
      evaluations.flatMap((evaluation) => evaluation.failures),
      ({ image }) => image,
    );
    tellUncovered(io, { findings, failures }, dataset);
    const comparison = compareEvaluations(...evaluations);
    const unread = failures.map(({ image }) => image);
    if (json) printJson(io, { ...comparison, partial: unread.length > 0, unread, findings });
    else tell(io, comparison, evaluations, [first, second]);
    const { total } = comparison;
    checkAllRead(unread, { all: total + unread.length, code: 'compare/unreadable', hint: PARTIAL_HINT });
  },
});

/** A list without repeats by a key. */
function distinct<T>(all: readonly T[], key: (one: T) => string): T[] {
  return [...new Map(all.map((one) => [key(one), one])).values()];
}

/** Notes about pictures outside of the comparison: examples of a classifier, unreadable ones, and those of a class that one lacks. */
function leftOutLines(comparison: Comparison, evaluations: readonly Evaluation[]): string[] {
  const own = new Set(evaluations.flatMap(({ excluded }) => excluded));
  const unread = new Set(evaluations.flatMap(({ failures }) => failures.map(({ image }) => image)));
  const unknown = comparison.leftOut.filter((image) => !own.has(image) && !unread.has(image)).length;
  return [
    own.size > 0 &&
      `${count(own.size, 'picture')} ${plural(own.size, 'was', 'were')} left out, because a classifier has learnt from ${plural(own.size, 'it', 'them')}.`,
    unread.size > 0 && unreadLine([...unread]),
    unknown > 0 &&
      `${count(unknown, 'picture')} ${plural(unknown, 'was', 'were')} left out because only one classifier knows the class.`,
  ].filter((line) => line !== false);
}

function tell(
  io: Io,
  comparison: Comparison,
  evaluations: readonly Evaluation[],
  paths: readonly [string, string],
): void {
  const { total, disagreements, difference, interval, onlyFirst, onlySecond, p } = comparison;
  const [low, high] = interval.map(points);
  io.print([
    ...tableLines(io, sideTable(comparison, paths)),
    '',
    `Accuracy of the first minus that of the second on ${count(total, 'picture')}: ${points(difference)} points (95% interval ${low} to ${high}).`,
    `Only the first is right on ${count(onlyFirst, 'picture')}, only the second on ${number(onlySecond)}; p ${p < 1e-4 ? '< 0.0001' : `= ${p.toFixed(4)}`} (McNemar's exact test).`,
    ...leftOutLines(comparison, evaluations),
  ]);
  if (disagreements.length === 0) return;
  io.print(['', ...tableLines(io, pictureTable(disagreements.slice(0, SHOWN)))]);
  if (disagreements.length > SHOWN)
    io.print(
      `These are the first ${SHOWN} of ${count(disagreements.length, 'picture')} with different answers; --json lists all.`,
    );
}

/** With its sign, because the second classifier may be better. */
function points(share: number): string {
  const shown = Math.abs(100 * share).toFixed(1);
  return `${shown === '0.0' ? '' : share < 0 ? '−' : '+'}${shown}`;
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
