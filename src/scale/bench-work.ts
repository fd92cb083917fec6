import type { Abortable } from '../abort.ts';
import type { BenchSource, OpenOptions } from '../bench/bench-source.ts';
import { computeCells, type FitResult, savedResult } from '../bench/cell.ts';
import { openSources } from '../bench/open.ts';
import { type FinishedTable, type Fit, finishTable, fitsOf } from '../bench/run.ts';
import { pickDatasets, SUITES, type Suite } from '../bench/suites.ts';
import { type Choices, shotsTable } from '../bench/tables.ts';
import type { Located } from '../dataset/locate.ts';
import { DataError, ModelError } from '../errors.ts';
import { hashOf, hashOfAll } from '../store/checksum.ts';
import { openStore } from '../store/open-store.ts';
import { count } from '../words.ts';
import type { BenchDescription } from './descriptions.ts';
import { placeOf, sourcePlace } from './places.ts';
import { runOf } from './run-record.ts';
import type { SetAside } from './set-aside.ts';
import type { Queue, RunProgress, Shard, Work } from './work.ts';

/** The benchmark to compute: everything that determines its fits, and the folder or bucket of its results. */
export type BenchSettings = Omit<BenchDescription, 'kind'>;

/** Callbacks while the data of a benchmark are read. */
interface BenchCallbacks extends Abortable, Pick<OpenOptions, 'note' | 'onRead'> {
  /** Called with the data sets that are used, before they are read. */
  onPicked?(picked: readonly Located[]): void;
  onProgress?(progress: { done: number; total: number; now: string }): void;
}

/** A benchmark whose data are read. */
export interface OpenBench {
  readonly work: Work;
  /** Number of fits. */
  readonly fits: number;
  readonly sources: readonly BenchSource[];
  /** One line for each data set that is missing. */
  readonly missing: readonly string[];
  /** Number of data sets that are damaged. */
  readonly failed: number;
  /** Number of fits without a result in the output. A damaged result is removed, and counts as none. */
  left(options?: Abortable): Promise<number>;
  /** The tables from the results of all fits, after `left` or `work.finish`. A fit without one has failed, for the given reason if there is one. */
  tables(setAside?: readonly SetAside[]): FinishedTable[];
}

const CELLS = 'cells/';

/** Opens the work of a benchmark: each fit is a shard, and its result is a file in the folder `cells` of the output. */
export async function openBench(
  settings: BenchSettings,
  { onPicked, ...callbacks }: BenchCallbacks = {},
): Promise<OpenBench> {
  const {
    data,
    suite: id,
    methods,
    shots,
    seeds,
    protocol,
    rejection,
    encoders,
    reading,
    ...rest
  } = settings;
  const suite: Suite | undefined = id && SUITES[id];
  const choices: Choices = { methods, shots, protocol, rejection };
  // The data are read afterwards, at the commits that are recorded here.
  const places = await Promise.all(data.map((one) => sourcePlace(one, callbacks)));
  const opened = await openSources(data, {
    pick: (located) => {
      const found = suite ? pickDatasets(suite, located) : { picked: located, missing: [] };
      onPicked?.(found.picked);
      return found;
    },
    ...{ reading, testOnly: suite?.testOnly ?? [], encoders, methods, shots: Math.max(...shots), seeds },
    ...{ views: rest.views, groupBy: rest.groupBy, ...callbacks },
    validation: protocol === 'val' || protocol === 'min4' || protocol === 'paper',
  });
  const { sources } = opened;
  const plans = suite ? suite.plan(sources, choices) : sources.map((source) => shotsTable(source, choices));
  const fits = fitsOf(plans, seeds);
  const { work, results, left } = benchWork(fits, sources, {
    ...settings,
    kind: 'bench',
    data: places,
    encoders: chosenEncoders(encoders, sources),
    output: placeOf(settings.output),
  });
  return {
    ...opened,
    work,
    fits: fits.length,
    left,
    tables(setAside = []) {
      const reasons = new Map(setAside.map(({ name, reason }) => [name, reason]));
      const all = new Map(results);
      for (const { source, settings, name } of fits) {
        if (all.has(name)) continue;
        const reason = reasons.get(titleOf({ source, settings })) ?? 'its result is missing';
        all.set(name, { ...settings, data: source.name, reason, failed: true });
      }
      return plans.map((plan) => finishTable(plan, seeds, all));
    },
  };
}

/** Has a queue compute the fits of a benchmark, and returns its tables. Fits that the queue has set aside are shown as failed. */
export async function runBench(
  { work, tables }: OpenBench,
  queue: Queue,
  { signal, onProgress }: Abortable & { onProgress?(progress: RunProgress): void } = {},
): Promise<FinishedTable[]> {
  queue.check?.(work);
  await work.begin({ signal });
  const setAside = await queue.run(work, { signal, onProgress }).then(() => [], setAsideBy);
  const summary = await work.finish({ signal });
  if (setAside.length === 0) await queue.finished?.(work, summary);
  return tables(setAside);
}

/**
 * Leaves the fits of a benchmark without a result to a queue of workers, and does not wait for them. Returns the name of the run, by which
 * `openJobs` shows it, or undefined if all fits have a result, so that `tables` can be made.
 */
export async function submitBench(
  { work, left }: Pick<OpenBench, 'work' | 'left'>,
  queue: Queue,
  options: Abortable & { onProgress?(progress: RunProgress): void } = {},
): Promise<{ run: string; left: number } | undefined> {
  queue.check?.(work);
  const missing = await left(options);
  if (missing === 0) return undefined;
  await queue.run(work, options);
  return { run: runOf(work), left: missing };
}

function setAsideBy(error: unknown): readonly SetAside[] {
  if (!(error instanceof DataError) || error.code !== 'queue/set-aside') throw error;
  return error.details.shards as readonly SetAside[];
}

/** The encoders by name, so that each machine takes the one that `auto` has chosen here. */
function chosenEncoders(encoders: readonly string[], sources: readonly BenchSource[]): string[] {
  const found = [...new Set(sources.map(({ encoder }) => encoder))];
  return encoders.map((name) => (name === 'auto' && found.length === 1 ? found[0]! : name));
}

function benchWork(
  fits: readonly Fit[],
  sources: readonly BenchSource[],
  description: BenchDescription,
): { work: Work; results: ReadonlyMap<string, FitResult>; left: OpenBench['left'] } {
  const target = openStore(description.output);
  const byName = new Map(fits.map((fit) => [fit.name, fit]));
  const results = new Map<string, FitResult>();
  const keyOf = (name: string) => `${CELLS}${name}`;
  async function saved(name: string, options: Abortable): Promise<FitResult | undefined> {
    if (!(await target.find(keyOf(name), options))) return undefined;
    const result = savedResult(new TextDecoder().decode(await target.read(keyOf(name), options)));
    // The file is read again at the next use, because others write it too.
    if (result) results.set(name, result);
    return result;
  }
  async function finished(options: Abortable = {}): Promise<Set<string>> {
    const found = new Set<string>();
    for await (const { key } of target.list(CELLS, options)) found.add(key);
    return found;
  }
  /** Reads all results. Removes damaged ones and, with `anew`, those without a figure, whose fits are tried again. */
  async function left({ anew = false, ...options }: Abortable & { anew?: boolean } = {}): Promise<number> {
    const there = await finished(options);
    let missing = 0;
    for (const { name } of fits) {
      const result = there.has(keyOf(name)) ? await saved(name, options) : undefined;
      if (result && !(anew && 'reason' in result)) continue;
      missing++;
      results.delete(name);
      if (there.has(keyOf(name))) await target.remove(keyOf(name), options);
    }
    return missing;
  }
  const work: Work = {
    id: hashOfAll(fits.map(({ name }) => name)),
    description,
    async *shards() {
      for (const fit of fits) yield { id: hashOf(fit.name), pointer: fit.name, name: titleOf(fit) };
    },
    resultKey: ({ pointer }) => keyOf(String(pointer)),
    finished,
    async begin(options = {}) {
      await left({ ...options, anew: true });
      return undefined;
    },
    async run({ pointer, name: title }: Shard, options = {}) {
      const started = performance.now();
      const fit = byName.get(String(pointer));
      if (!fit) throw otherData(title, description);
      const { source, settings, name } = fit;
      let result = await saved(name, options);
      if (!result) {
        result = await computeCells(source, settings, options.signal);
        const bytes = new TextEncoder().encode(JSON.stringify(result));
        const put = await target.put(keyOf(name), bytes, { onlyIfAbsent: true, signal: options.signal });
        if (put === 'written') results.set(name, result);
      }
      return { pictures: 0, failures: 0, seconds: (performance.now() - started) / 1000, bytesRead: 0 };
    },
    async finish(options = {}) {
      for (const { name } of fits) if (!results.has(name)) await saved(name, options);
      const failed = [...results.values()].filter((result) => 'reason' in result && result.failed);
      return { shards: fits.length, pictures: 0, failures: failed.length };
    },
    async close() {
      for (const { close } of sources) await close?.();
    },
  };
  return { work, results, left };
}

/** A fit in words, different from all others of a benchmark. */
function titleOf({ source, settings }: Pick<Fit, 'source' | 'settings'>): string {
  const { method, shots, seed, protocol, given = {}, balance } = settings;
  const values = Object.entries(given).map(([name, value]) => `${name} ${value}`);
  const facts = [
    method,
    count(shots, 'shot'),
    `seed ${seed}`,
    protocol,
    ...values,
    ...(balance ? ['balanced'] : []),
  ];
  return `${source.name} (${source.encoder}): ${facts.join(', ')}`;
}

function otherData(title: string, { data }: BenchDescription): ModelError {
  return new ModelError(`The data on this machine do not give the fit ${title}`, {
    code: 'scale/other-data',
    hint: `Give all machines the same data at the same path (${data.join(', ')}), the same encoder, and the same modules of methods.`,
    details: { fit: title, data },
  });
}
