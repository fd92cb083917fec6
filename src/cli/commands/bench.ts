import { join } from 'node:path';
import { PROTOCOLS } from '../../bench/cell.ts';
import type { FinishedTable } from '../../bench/run.ts';
import { pickDatasets, SUITE_IDS, SUITES, type Suite } from '../../bench/suites.ts';
import { shotsTable } from '../../bench/tables.ts';
import { DataError, UsageError } from '../../errors.ts';
import { choice, flag, integer, optional, text } from '../../options.ts';
import { count } from '../../words.ts';
import { defineCommand } from '../command.ts';
import { withBar } from '../work.ts';

export const benchCommand = defineCommand({
  args: ['<data...>'],
  options: {
    suite: optional(
      choice(SUITE_IDS, {
        help: "A table or figure of the paper, or a further protocol of the field, from CoOp's $DATA folder or features.",
      }),
    ),
    shots: optional(
      text({ value: '<list>', help: "Examples per class (default: 1,2,4,8,16, or the suite's)." }),
    ),
    methods: optional(
      text({ value: '<list>', help: "Methods, or all (default: auto and the paper's own)." }),
    ),
    encoders: optional(
      text({ value: '<list>', help: "Encoders for pictures (default: auto, or the suite's)." }),
    ),
    seeds: text({ default: '1,2,3', value: '<list>', help: 'Draws of the examples.' }),
    views: integer({
      default: 1,
      min: 1,
      max: 64,
      help: "Views of each example picture; the paper's keys average 10.",
    }),
    protocol: choice(PROTOCOLS, {
      default: 'folds',
      help: 'What constants are chosen on: the examples, the validation split, four rows a class of it, or, as published, the reported rows.',
    }),
    metrics: flag({
      help: 'Show how far probabilities can be believed; and fit once more without a fifth of the classes, to see how pictures of those are rejected.',
    }),
    output: text({
      short: 'o',
      default: 'bench',
      value: '<folder>',
      help: 'Where cells and pages are kept; a second run goes on there.',
    }),
  },
  computes: 'on-device',
  examples: [
    [
      'tip-adapter bench photos/ --methods auto,tip-adapter,prototype',
      'Methods on your own pictures, three draws each.',
    ],
    [
      'tip-adapter bench features/stanford_cars --methods all --protocol paper',
      'Features that are there already; tuned as published.',
    ],
    ['tip-adapter bench $DATA --suite table2', "A table of the paper, from CoOp's folder of data sets."],
  ],
  async run(data, { suite: id, output, protocol, views, metrics, ...given }, io) {
    const { openSources } = await import('../../bench/open.ts');
    const { runTables } = await import('../../bench/run.ts');
    const { benchMethods, writeOutputs } = await import('../bench-outputs.ts');
    const suite: Suite | undefined = id && SUITES[id];
    const choices = {
      methods: benchMethods(given.methods, suite?.methods),
      shots: given.shots ? numbers(given.shots, 'shots') : (suite?.shots ?? [1, 2, 4, 8, 16]),
      protocol,
      rejection: metrics,
    };
    const seeds = numbers(given.seeds, 'seeds');
    const encoders = given.encoders?.split(',').map((name) => name.trim()) ?? suite?.encoders ?? ['auto'];
    const { sources, missing } = await withBar(io, 'Reading', (bar) =>
      openSources(data, {
        pick: (located) => (suite ? pickDatasets(suite, located) : { picked: located, missing: [] }),
        testOnly: suite?.testOnly ?? [],
        encoders,
        shots: Math.max(...choices.shots),
        seeds,
        views,
        validation: protocol === 'val' || protocol === 'min4',
        signal: io.signal,
        note: (line) => io.note(line),
        onProgress: ({ done, total, now }) => bar.update({ done, total, facts: now }),
      }),
    );
    const plans = suite ? suite.plan(sources, choices) : sources.map((source) => shotsTable(source, choices));
    const tables = await withBar(io, id ?? 'bench', (bar) =>
      runTables(plans, seeds, join(output, 'cells'), {
        signal: io.signal,
        onProgress: ({ done, total, kept, now }) =>
          bar.update({ done, total, facts: kept > 0 ? `${now}, ${kept} kept` : now }),
      }),
    );
    const written = await writeOutputs({ suite: id, sources, missing, tables }, output, metrics, io);
    io.print(written.tables);
    for (const line of written.notes) io.note(line);
    io.note(`Written: ${written.files.join(', ')}`);
    checkFailed(tables);
  },
});

/** What could be computed is written; a program still learns that it is not all. */
function checkFailed(tables: readonly FinishedTable[]): void {
  const failed = new Set(tables.flatMap(({ skipped }) => skipped.filter((fit) => fit.failed)));
  if (failed.size === 0) return;
  throw new DataError(`${count(failed.size, 'fit')} failed: what would stand in the tables is missing`, {
    code: 'bench/failed',
    hint: 'The others are written. The same command tries what failed again.',
    details: { fits: [...failed] },
  });
}

function numbers(list: string, name: string): number[] {
  const parsed = list.split(',').map(Number);
  if (parsed.every((n) => Number.isInteger(n) && n > 0)) return [...new Set(parsed)].sort((a, b) => a - b);
  throw new UsageError(`--${name} cannot be ${list}`, {
    code: 'option/value',
    hint: 'Whole numbers with commas between: 1,2,4.',
  });
}
