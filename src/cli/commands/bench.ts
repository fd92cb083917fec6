import { availableParallelism } from 'node:os';
import type { BenchSource } from '../../bench/bench-source.ts';
import { PROTOCOLS } from '../../bench/cell.ts';
import type { FinishedTable } from '../../bench/run.ts';
import { SUITE_IDS, SUITES, type Suite, type SuiteId } from '../../bench/suites.ts';
import { fitOptions } from '../../classifier/fit-options.ts';
import { countUnread } from '../../dataset/findings.ts';
import { givenReading, partReading, readOptions } from '../../dataset/read-options.ts';
import { DataError, UsageError } from '../../errors.ts';
import { choice, flag, integer, optional, text } from '../../options.ts';
import type { Queue, RunProgress } from '../../scale/work.ts';
import { count, number, plural } from '../../words.ts';
import { defineCommand, jsonOption, noEffect } from '../command.ts';
import { PARTIAL_HINT } from '../images.ts';
import type { Io } from '../io.ts';
import { checkOutputFolder } from '../output-checks.ts';
import { printJson } from '../print.ts';
import { withBar } from '../progress-bars.ts';
import { checkQueue, openQueue, queueOptions, tellSubmitted } from '../queue-options.ts';
import { shardProgram } from '../shard-program.ts';
import { strictOption, tellData } from '../told-data.ts';

export const benchCommand = defineCommand({
  args: ['<data...>'],
  options: {
    suite: optional(
      choice(SUITE_IDS, {
        help: "A table or figure of the paper, or another protocol of the field, computed from CoOp's $DATA folder or from features.",
      }),
    ),
    shots: optional(
      text({ value: '<list>', help: "Numbers of examples per class (default: 1,2,4,8,16, or the suite's)." }),
    ),
    methods: optional(
      text({
        value: '<list>',
        names: 'methods',
        help: "Methods, or all (default: auto, prototype and the paper's).",
      }),
    ),
    encoders: optional(
      text({
        value: '<list>',
        names: 'encoders',
        help: "Encoders for the pictures (default: auto, or the suite's).",
      }),
    ),
    seeds: text({ default: '1,2,3', value: '<list>', help: 'Seeds; each one draws its own examples.' }),
    views: integer({
      default: 1,
      min: 1,
      max: 64,
      help: "Number of views of each example picture; the paper's keys average 10.",
    }),
    groupBy: fitOptions.groupBy,
    protocol: choice(PROTOCOLS, {
      default: 'folds',
      help: 'Which rows constants are chosen on: left-out examples (folds), the validation split (val), at most four of its rows per class (min4), the reported rows as in the published code (paper), or none (fixed).',
    }),
    metrics: flag({
      help: 'Also print the calibration, and fit again without a fifth of the classes to measure how well their pictures are rejected.',
    }),
    output: text({
      short: 'o',
      default: 'bench',
      value: '<folder>',
      help: 'The folder for results, or s3://bucket/folder. A second run continues from the results in it.',
    }),
    jobs: integer({
      default: 1,
      min: 1,
      max: 64,
      help: 'Number of fits at the same time. Several have a process each, which share the cores.',
    }),
    queue: queueOptions.queue,
    detach: flag({
      help: 'With --queue: do not wait for the workers. The same command makes the tables once all fits are done.',
    }),
    ...readOptions,
    strict: strictOption,
    json: jsonOption,
  },
  computes: 'on-device',
  examples: [
    [
      'tip-adapter bench photos/ --methods auto,tip-adapter,prototype',
      'Compares methods on your own pictures, with three draws.',
    ],
    [
      'tip-adapter bench features/stanford_cars --methods all --protocol paper',
      'Compares all methods on features made elsewhere, tuned as published.',
    ],
    ['tip-adapter bench $DATA --suite fig5 --jobs 4', 'Computes four fits at the same time.'],
    [
      'tip-adapter bench /mnt/data --suite fig5 -o /mnt/bench --queue redis://queue.example:6379',
      'Leaves the fits to workers on other machines.',
    ],
    [
      'tip-adapter bench /mnt/data --suite fig5 -o /mnt/bench --queue redis://queue.example:6379 --detach',
      'Does not wait for them. The same command makes the tables once they are done.',
    ],
    [
      'tip-adapter bench $DATA --suite table2',
      'Computes a table of the paper from the data sets as CoOp lays them out.',
    ],
  ],
  async check(_, { suite, output, jobs, queue, detach, ...given }) {
    await checkQueue({ queue, detach });
    if (queue !== undefined && jobs > 1)
      throw noEffect('jobs', '--queue', 'Give it to workers as --concurrency.');
    if (!output.includes('://')) await checkOutputFolder(output);
    if (suite) checkSuite(suite, given);
    const { benchMethods } = await import('../bench-outputs.ts');
    benchMethods(given.methods, undefined);
    if (given.shots) numbers(given.shots, 'shots');
    numbers(given.seeds, 'seeds');
    const { checkEncoderName } = await import('../../encoder/load.ts');
    for (const name of namesIn(given.encoders) ?? []) await checkEncoderName(name);
  },
  async run(data, { suite: id, output, protocol, views, groupBy, metrics, strict, json, ...rest }, io) {
    const { reading, rest: given } = partReading(rest);
    const { openBench, runBench, submitBench } = await import('../../scale/bench-work.ts');
    const { benchMethods, writeOutputs } = await import('../bench-outputs.ts');
    const suite: Suite | undefined = id && SUITES[id];
    const { checkEncoderSource } = await import('../../encoder/load.ts');
    for (const name of namesIn(given.encoders) ?? []) await checkEncoderSource(name, { signal: io.signal });
    const settings = {
      ...{ data: [...data], suite: id, protocol, rejection: metrics, views, groupBy, output },
      reading,
      methods: [...benchMethods(given.methods, suite?.methods)],
      shots: given.shots ? numbers(given.shots, 'shots') : [...(suite?.shots ?? [1, 2, 4, 8, 16])],
      seeds: numbers(given.seeds, 'seeds'),
      encoders: namesIn(given.encoders) ?? [...(suite?.encoders ?? ['auto'])],
    };
    // Each encoder reads the data again.
    const told = new Set<string>();
    const bench = await withBar(io, 'Reading', (bar) =>
      openBench(settings, {
        onPicked(picked) {
          const idle = givenReading(reading);
          if (idle && picked.some(({ kind }) => kind === 'features'))
            throw noEffect(idle, 'a folder of features', 'It says how pictures are read. Leave it out.');
          if (picked.every(({ kind }) => kind === 'features'))
            checkFeatures({ views, groupBy }, given.encoders);
        },
        signal: io.signal,
        note: (line) => io.note(line),
        onRead: async (dataset) => {
          if (told.has(dataset.root)) return;
          told.add(dataset.root);
          io.note({ style: 'bold', mark: `${dataset.name}:` });
          await tellData(dataset, io, { strict, askFrom: 2 });
        },
        onProgress: ({ done, total, now }) => bar.update({ done, total, facts: now }),
      }),
    );
    const { work, sources, missing, failed } = bench;
    const done = await withBar(io, id ?? 'bench', async (bar) => {
      const queue = await queueFor(given, io);
      const options = {
        signal: io.signal,
        onProgress({ shards, kept, now = '' }: RunProgress) {
          const facts = [...(now ? [now] : []), ...(kept > 0 ? [`${kept} kept`] : [])].join(', ');
          bar.update({ done: shards, total: bench.fits, facts });
        },
      };
      try {
        if (!given.detach) return await runBench(bench, queue, options);
        return (await submitBench(bench, queue, options)) ?? bench.tables();
      } finally {
        await queue[Symbol.asyncDispose]();
        await work.close();
      }
    });
    if ('run' in done) {
      if (json) printJson(io, { ...done, fits: bench.fits, missing });
      else tellSubmitted({ ...done, before: false }, { output, redis: given.queue! }, io);
      for (const line of missing) io.note(`missing: ${line}`);
      const still = `${number(done.left)} of ${count(bench.fits, 'fit')} ${plural(done.left, 'is', 'are')} missing`;
      io.note(`${still}. Once they are done, the same command makes the tables.`);
      return checkWhole(sources, failed);
    }
    const tables = done;
    const written = await writeOutputs({ suite: id, sources, missing, tables }, output, metrics, io);
    if (json) printJson(io, { ...written.summary, files: written.files });
    else io.print(written.tables);
    for (const line of written.notes) io.note(line);
    io.note(`Written: ${written.files.join(', ')}`);
    // With --detach, the next start would find a failed fit done.
    if (given.detach && failedFits(tables).size > 0) await work.begin({ signal: io.signal });
    checkFailed(tables);
    checkWhole(sources, failed);
  },
});

/** Who computes the fits: workers, processes of this machine, or this process. */
async function queueFor(
  { queue, detach, jobs }: { queue?: string; detach: boolean; jobs: number },
  io: Io,
): Promise<Queue & AsyncDisposable> {
  if (queue !== undefined) return openQueue(queue, detach, io);
  if (jobs > 1) {
    const { openProcessQueue } = await import('../../scale/process-queue.ts');
    return openProcessQueue(await shardProgram(Math.max(1, Math.floor(availableParallelism() / jobs))), jobs);
  }
  const { localQueue } = await import('../../scale/local-queue.ts');
  return { ...localQueue, async [Symbol.asyncDispose]() {} };
}

/** Refuses options that a suite decides. */
function checkSuite(id: SuiteId, { methods, shots }: { methods?: string; shots?: string }): void {
  const suite: Suite = SUITES[id];
  if (suite.closed && methods !== undefined) throw noEffect('methods', `--suite ${id}`, AS_PUBLISHED);
  if (suite.closed && shots !== undefined) throw noEffect('shots', `--suite ${id}`, AS_PUBLISHED);
  if (suite.oneShots && shots?.includes(',')) {
    throw new UsageError(`--suite ${id} takes one number of shots, not ${shots}`, {
      code: 'option/value',
      hint: 'The columns of this suite are not numbers of shots. Run it once for each number.',
    });
  }
}

const AS_PUBLISHED = 'The suite has the published rows and columns. Leave the option out.';

/** Refuses options that need pictures. */
function checkFeatures(
  { views, groupBy }: { views: number; groupBy?: string },
  encoders: string | undefined,
): void {
  if (groupBy !== undefined)
    throw noEffect(
      'group-by',
      'features',
      'Features have no folders, dates and names. Leave the option out.',
    );
  if (views > 1)
    throw noEffect('views', 'features', 'Views are made of pictures. Give pictures instead of features.');
  if (encoders !== undefined)
    throw noEffect(
      'encoders',
      'features',
      'The features are already encoded. Give pictures instead of features.',
    );
}

function failedFits(tables: readonly FinishedTable[]) {
  return new Set(tables.flatMap(({ skipped }) => skipped.filter((fit) => fit.failed)));
}

/** The error after results are written, if some fits failed, so that a program learns that results are missing. */
function checkFailed(tables: readonly FinishedTable[]): void {
  const failed = failedFits(tables);
  if (failed.size === 0) return;
  throw new DataError(
    `${count(failed.size, 'fit')} failed and ${plural(failed.size, 'is', 'are')} missing from the tables`,
    {
      code: 'bench/failed',
      hint: 'All other results are written. The same command tries the failed fits again.',
      details: { fits: [...failed] },
    },
  );
}

/** Throws `DataError` if the figures are not about all given data. */
function checkWhole(sources: readonly BenchSource[], failed: number): void {
  const unread = sources.flatMap((source) => source.unread ?? []);
  if (failed === 0 && unread.length === 0) return;
  const parts = [failed > 0 && count(failed, 'data set'), unread.length > 0 && countUnread(unread)];
  throw new DataError(`${parts.filter((part) => part !== false).join(' and ')} could not be read`, {
    code: 'bench/unreadable',
    hint: PARTIAL_HINT,
    details: { unread },
  });
}

const namesIn = (list: string | undefined) => list?.split(',').map((name) => name.trim());

function numbers(list: string, name: string): number[] {
  const parsed = list.split(',').map(Number);
  if (parsed.every((n) => Number.isInteger(n) && n > 0)) return [...new Set(parsed)].sort((a, b) => a - b);
  throw new UsageError(`--${name} cannot be "${list}"`, {
    code: 'option/value',
    hint: 'Give whole numbers separated by commas, such as 1,2,4.',
  });
}
