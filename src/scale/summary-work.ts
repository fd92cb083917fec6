import type { Abortable } from '../abort.ts';
import { createCollection } from '../classifier/left-out-rows.ts';
import type { RowSums } from '../classifier/row-sum.ts';
import { type SummaryTask, type SummedRows, type SumRows, sumParts } from '../classifier/row-sums.ts';
import { openFeatureBlocks } from '../dataset/feature-blocks.ts';
import { quoted } from '../dataset/findings.ts';
import { mixedSplits } from '../dataset/parquet-features.ts';
import type { FeaturePart } from '../dataset/row-blocks.ts';
import type { Finding } from '../dataset/types.ts';
import '../engine/node.ts';
import { sharedEngine } from '../engine/shared.ts';
import { DataError, ModelError } from '../errors.ts';
import { methodById } from '../methods/index.ts';
import { mergeSummaries } from '../methods/merge-summaries.ts';
import { sumFormOf } from '../methods/summarise.ts';
import { rowCount, type Summary, type Sums } from '../methods/summary.ts';
import { sumOptionsOf } from '../methods/summary-shapes.ts';
import { resolveOptions } from '../options.ts';
import { hashOf, hashOfAll } from '../store/checksum.ts';
import { openStore, pathIn } from '../store/open-store.ts';
import { count } from '../words.ts';
import type { SummaryDescription } from './descriptions.ts';
import { placeOf } from './places.ts';
import { runWork } from './run-work.ts';
import { decodeShardSums, encodeShardSums, putBasis, readBasis, type ShardSums } from './summary-file.ts';
import type { Queue, Shard, Work } from './work.ts';

/** Version of a shard's result, raised when the same rows give another one. */
const FORMAT = 2;

/** Least number of bytes of the features of a shard: 262,144 rows of 512 numbers in half precision. */
const SHARD_BYTES = 2 ** 28;

/** `sumRowsOn` of the package. */
export function sumRowsOn(
  queue: Queue,
  output: string,
  { shardBytes = SHARD_BYTES }: { readonly shardBytes?: number } = {},
): SumRows {
  return async ({ folder, origin, options, seed, pass, basis }: SummaryTask, { signal, onRows }) => {
    const { method, encoder } = origin;
    const place = placeOf(output);
    const { work, sums } = await openSummary(
      {
        ...{ source: placeOf(folder), method, encoder, seed, shardBytes, output: place },
        options: options as SummaryDescription['options'],
        ...(pass !== undefined && { pass }),
        ...(Object.keys(basis).length > 0 && { basis: await putBasis(place, basis, { signal }) }),
      },
      { signal },
    );
    await runWork(work, queue, { signal, onProgress: ({ pictures }) => onRows?.(pictures) });
    return sums();
  };
}

/** The work of a description on this machine. Throws `ModelError` `scale/other-data` if it is another one here. */
export async function openSums(
  { kind: _, work: id, ...settings }: SummaryDescription,
  options: Abortable,
): Promise<Work> {
  const { work } = await openSummary(settings, options);
  if (work.id === id) return work;
  throw new ModelError(
    `The features in ${settings.source} differ from those on the machine that started the run`,
    {
      code: 'scale/other-data',
      hint: 'Give all machines the same features at the same path, and the same modules of methods.',
      details: { source: settings.source },
    },
  );
}

/**
 * The work of summing up a folder of features, and its result after `finish`. A shard is some files or a range of a table, and its result is
 * a file in the output. The results are merged in the order of the shards.
 */
async function openSummary(
  settings: Omit<SummaryDescription, 'kind' | 'work'>,
  { signal }: Abortable,
): Promise<{ work: Work; sums(): SummedRows }> {
  const { source, output, method: name, encoder, seed, pass, basis: sha256, shardBytes } = settings;
  const method = methodById(name);
  const options = resolveOptions(method.options, settings.options);
  const form = sumFormOf(method, options, pass);
  const basis = sha256 === undefined ? {} : await readBasis(output, sha256, { signal });
  const stream = await openFeatureBlocks(source, { signal });
  const { dimension, rows, classes } = stream;
  const target = openStore(output);
  const origin = { method: name, encoder, classes, options: sumOptionsOf(method.summary!, options) };
  const identity = {
    kind: 'summary',
    version: FORMAT,
    origin,
    options: settings.options,
    seed,
    pass,
    basis: sha256,
    dimension,
    rows,
  };
  const id = hashOf(JSON.stringify(identity));
  const groups = groupsOf(stream.parts, shardBytes);
  const resultKey = (shard: Shard) => `${shard.id.slice(0, 32)}.safetensors`;
  const shardOf = async (at: number): Promise<Shard | undefined> => {
    const parts = groups[at];
    if (!parts) return undefined;
    const lines: string[] = [id];
    // Which rows are left out depends on their places.
    for (const part of parts) lines.push(JSON.stringify([part.name, part.first, await part.tag()]));
    const [first, last] = [parts[0]!.name, parts.at(-1)!.name];
    return { id: hashOfAll(lines), pointer: at, name: first === last ? first : `${first} to ${last}` };
  };
  const check = async ({ id, pointer, name }: Shard) => {
    if ((await shardOf(pointer as number))?.id !== id) throw changed(name);
  };
  const read = async (key: string, own: Abortable): Promise<ShardSums | undefined> =>
    decodeShardSums(await target.read(key, own), pathIn(output, key), {
      dimension,
      rows,
      classes: classes.length,
    });
  /** Sums up the rows of a shard and writes the result. */
  const make = async (
    shard: Shard,
    { signal, onProgress }: Abortable & { onProgress?(rows: number): void },
    { replaces }: { replaces: boolean },
  ): Promise<ShardSums> => {
    const { sums, left } = await sumParts(
      {
        ...{ form, method: name, pass, rows, seed },
        what: { task: { classes: classes.length, dimension, signal }, options, basis },
      },
      groups[shard.pointer as number]!,
      { engine: sharedEngine(), signal, onRows: onProgress },
    );
    // Every shard has the same basis, which is a file of its own.
    const own = { summary: { origin, sums: sums.sums, basis: {} }, left, splits: [...stream.splits] };
    // If the file was replaced while it was read, the sums are of neither version.
    await check(shard);
    await target.put(resultKey(shard), encodeShardSums(own), { onlyIfAbsent: !replaces, signal });
    return own;
  };
  const outcomeOf = (started: number, { summary, left }: ShardSums, bytesRead: number) => {
    const seconds = (performance.now() - started) / 1000;
    return { pictures: rowCount(summary) + left.labels.length, failures: 0, seconds, bytesRead };
  };
  let shards: Shard[] = [];
  let result: SummedRows | undefined;
  const work: Work = {
    id,
    description: { kind: 'summary', ...settings, work: id },
    async *shards() {
      shards = [];
      for (const at of groups.keys()) {
        const shard = (await shardOf(at))!;
        shards.push(shard);
        yield shard;
      }
    },
    resultKey,
    async finished(own) {
      const found = new Set<string>();
      for await (const { key } of target.list('', own)) found.add(key);
      return found;
    },
    begin: async () => undefined,
    async run(shard, { signal, onProgress } = {}) {
      const started = performance.now();
      await check(shard);
      const key = resultKey(shard);
      const isThere = (await target.find(key, { signal })) !== undefined;
      const before = isThere ? await read(key, { signal }) : undefined;
      if (before) return outcomeOf(started, before, 0);
      const made = await make(shard, { signal, onProgress }, { replaces: isThere });
      const parts = groups[shard.pointer as number]!;
      return outcomeOf(
        started,
        made,
        parts.reduce((sum, { bytes }) => sum + bytes, 0),
      );
    },
    async finish(own = {}) {
      if (shards.length === 0) for await (const _ of work.shards(own));
      const anew: string[] = [];
      const sumsOf = async (shard: Shard): Promise<ShardSums> => {
        const key = resultKey(shard);
        const before = await read(key, own);
        if (before) return before;
        anew.push(pathIn(output, key));
        return make(shard, own, { replaces: true });
      };
      result = {
        ...(await merged(
          shards.map((shard) => () => sumsOf(shard)),
          source,
          dimension,
          basis,
        )),
        findings: anewFindings(anew),
      };
      const pictures = rowCount(result.sums) + result.left.labels.length;
      return { shards: shards.length, pictures, failures: 0 };
    },
    async close() {},
  };
  return { work, sums: () => result! };
}

/** Consecutive parts, of at least so many bytes together. */
function groupsOf(parts: readonly FeaturePart[], bytes: number): FeaturePart[][] {
  const groups: FeaturePart[][] = [];
  let size = bytes;
  for (const part of parts) {
    if (size >= bytes) {
      groups.push([]);
      size = 0;
    }
    groups.at(-1)!.push(part);
    size += part.bytes;
  }
  return groups;
}

/** The results of all shards together. One at a time is in memory. */
async function merged(
  results: readonly (() => Promise<ShardSums>)[],
  source: string,
  dimension: number,
  basis: Sums['basis'],
): Promise<RowSums> {
  let sums: Summary | undefined;
  const collection = createCollection(dimension);
  const splits = new Set<string>();
  for (const read of results) {
    const own = await read();
    sums = sums ? mergeSummaries(sums, own.summary) : own.summary;
    collection.add(own.left);
    for (const split of own.splits) splits.add(split);
  }
  if (splits.size > 1) throw mixedSplits(source);
  return { sums: { sums: sums!.sums, basis }, left: collection.samples() };
}

/** Says which files of sums were made again. */
function anewFindings(paths: string[]): Finding[] {
  if (paths.length === 0) return [];
  const files = count(paths.length, 'file of sums was', 'files of sums were');
  const message = `${files} damaged or written by an earlier version, and made again from the features: ${quoted(paths)}`;
  return [{ level: 'warning', code: 'fit/sums', message, paths }];
}

function changed(name: string): DataError {
  return new DataError(`The features of a shard (${name}) have changed since they were listed`, {
    code: 'scale/changed',
    hint: 'Run the same command again when nothing writes to the features any more. Finished shards are kept.',
    details: { shard: name },
  });
}
