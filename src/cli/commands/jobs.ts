import { UsageError } from '../../errors.ts';
import { flag } from '../../options.ts';
import type { Jobs, ShownRun } from '../../scale/jobs.ts';
import { count, number, plural } from '../../words.ts';
import { defineCommand, jsonOption } from '../command.ts';
import type { Io } from '../io.ts';
import { printJson, tableLines } from '../print.ts';

export const jobsCommand = defineCommand({
  args: ['<redis>', '[run]'],
  options: {
    retry: flag({ help: 'Let workers retry the shards of the run that were set aside.' }),
    cancel: flag({ help: 'Let no worker compute shards of the run any more. Finished shards are kept.' }),
    json: jsonOption,
  },
  examples: [
    ['tip-adapter jobs redis://queue.example:6379', 'Lists the runs, with their progress.'],
    [
      'tip-adapter jobs redis://queue.example:6379 r3f2a',
      'Shows a run, with the shards that were set aside.',
    ],
    ['tip-adapter jobs redis://queue.example:6379 r3f2a --retry', 'Lets workers retry these shards.'],
  ],
  async check([address, run], { retry, cancel }) {
    const { parseRedisAddress } = await import('../../scale/redis.ts');
    parseRedisAddress(address);
    if (retry && cancel)
      throw new UsageError('The options --retry and --cancel exclude each other', {
        code: 'usage',
        hint: 'Give one of them.',
      });
    if ((retry || cancel) && run === undefined)
      throw new UsageError(`--${retry ? 'retry' : 'cancel'} needs the name of a run`, {
        code: 'usage',
        hint: `tip-adapter jobs ${address} lists the runs.`,
      });
  },
  async run([address, name], { retry, cancel, json }, io) {
    const { openJobs } = await import('../../scale/jobs.ts');
    const jobs = await openJobs(address, {}, { signal: io.signal });
    const { workers, runs } = await answered(jobs, name, { retry, cancel }, io).finally(() => jobs.close());
    if (json) return printJson(io, { workers, runs: runs.map(runJson) });
    io.note(`${count(workers, 'worker')} ${plural(workers, 'is', 'are')} connected`);
    if (runs.length === 0) return io.note('There are no runs');
    io.print(
      tableLines(io, {
        rows: runs,
        columns: [
          { title: 'Run', value: ({ run }) => run },
          { title: 'Work', value: ({ description }) => description.kind },
          { title: 'State', value: ({ state }) => state },
          { title: 'Pictures', value: picturesOf, align: 'right' },
          { title: 'Unreadable', value: ({ failures }) => number(failures), align: 'right' },
          { title: 'Shards left', value: ({ pending }) => number(pending), align: 'right' },
          { title: 'Set aside', value: ({ setAside }) => number(setAside.length), align: 'right' },
        ],
      }),
    );
    for (const { run, kept, description } of runs)
      if (kept > 0 && ofPictures(description))
        io.note(
          `${run}: the unreadable pictures of ${count(kept, 'shard')} from an earlier start are not counted yet`,
        );
    if (name === undefined) return;
    for (const { name: shard, pictures, reason } of runs[0]!.setAside)
      io.print(
        `Set aside: ${shard}${pictures === undefined ? '' : ` (${count(pictures, 'picture')})`}: ${reason}`,
      );
  },
});

/** Applies the requested action to the run, and reads this run or all runs. */
async function answered(
  jobs: Jobs,
  name: string | undefined,
  { retry, cancel }: { retry: boolean; cancel: boolean },
  io: Io,
): Promise<{ workers: number; runs: ShownRun[] }> {
  if (name !== undefined && retry) {
    const tried = await jobs.retry(name);
    io.note(`${count(tried, 'shard')} ${plural(tried, 'waits', 'wait')} to be tried again`);
  }
  if (name !== undefined && cancel) await jobs.cancel(name);
  const workers = await jobs.workers();
  return { workers, runs: name === undefined ? await jobs.list() : [await jobs.show(name)] };
}

function ofPictures({ kind }: ShownRun['description']): boolean {
  return kind === 'embed' || kind === 'predict';
}

/**
 * The numbers of pictures in the finished shards and in all shards. The fits of a benchmark have no pictures, and a summary counts rows.
 */
function picturesOf({ description, pictures, total }: ShownRun): string {
  if (description.kind === 'bench') return '–';
  if (description.kind === 'summary') return count(pictures, 'row');
  return total === undefined ? number(pictures) : `${number(pictures)} of ${number(total)}`;
}

function runJson(run: ShownRun) {
  const { state, version, started, total, pending, done, kept, pictures, failures, bytes, setAside } = run;
  const { description, detached } = run;
  return {
    ...{
      run: run.run,
      work: description.kind,
      state,
      version,
      started: new Date(started).toISOString(),
      detached,
    },
    ...{
      total,
      shardsDone: done,
      shardsKept: kept,
      shardsLeft: pending,
      pictures,
      unreadable: failures,
      bytes,
      setAside,
    },
  };
}
