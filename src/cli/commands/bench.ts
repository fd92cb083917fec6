import { join } from 'node:path';
import { PROTOCOLS } from '../../bench/cell.ts';
import { UsageError } from '../../errors.ts';
import { choice, optional, text } from '../../options.ts';
import { defineCommand } from '../command.ts';
import { withBar } from '../work.ts';

export const benchCommand = defineCommand({
  args: ['<data...>'],
  options: {
    shots: text({ default: '1,2,4,8,16', value: '<list>', help: 'Examples per class.' }),
    methods: optional(
      text({ value: '<list>', help: "Methods, or all (default: auto and the paper's own)." }),
    ),
    seeds: text({ default: '1,2,3', value: '<list>', help: 'Draws of the examples.' }),
    protocol: choice(PROTOCOLS, {
      default: 'folds',
      help: 'What constants are chosen on: the examples, the validation split, four rows a class of it, or, as published, the reported rows.',
    }),
    encoder: text({ default: 'auto', value: '<name>', help: 'Encoder for pictures.' }),
    output: text({
      short: 'o',
      default: 'bench',
      value: '<folder>',
      help: 'Where cells and pages are kept; a second run goes on there.',
    }),
  },
  computes: true,
  examples: [
    [
      'tip-adapter bench photos/ --methods auto,tip-adapter,prototype',
      'Methods on your own pictures, three draws each.',
    ],
    [
      'tip-adapter bench features/stanford_cars --methods all --protocol paper',
      'Features that are there already; tuned as published.',
    ],
  ],
  async run(data, { output, protocol, ...given }, io) {
    const { openSource } = await import('../../bench/source.ts');
    const { runSource } = await import('../../bench/run.ts');
    const { benchMethods, writeOutputs } = await import('../bench-outputs.ts');
    const shots = numbers(given.shots, 'shots');
    const seeds = numbers(given.seeds, 'seeds');
    const methods = benchMethods(given.methods);
    const runs = [];
    for (const path of data) {
      const source = await openSource(path, {
        encoder: given.encoder,
        shots,
        signal: io.signal,
        note: (line) => io.note(line),
      });
      const plan = { methods, shots, seeds, protocols: [protocol] };
      const run = await withBar(io, source.name, (bar) =>
        runSource(source, plan, join(output, 'cells'), {
          signal: io.signal,
          onProgress: ({ done, total, kept, now }) =>
            bar.update({ done, total, facts: kept > 0 ? `${now}, ${kept} kept` : now }),
        }),
      );
      runs.push({ source, ...run });
    }
    const { tables, files, skipped } = await writeOutputs(runs, output, { width: io.width, color: io.color });
    for (const table of tables) io.stdout.write(`${table}\n`);
    for (const line of skipped) io.note(line);
    io.note(`Written: ${files.join(', ')}`);
  },
});

function numbers(list: string, name: string): number[] {
  const parsed = list.split(',').map(Number);
  if (parsed.every((n) => Number.isInteger(n) && n > 0)) return [...new Set(parsed)].sort((a, b) => a - b);
  throw new UsageError(`--${name} cannot be ${list}`, {
    code: 'option/value',
    hint: 'Whole numbers with commas between: 1,2,4.',
  });
}
