import { posix } from 'node:path';
import { DataError, ModelError, UsageError } from '../errors.ts';
import { type HubEntry, hubListing, type LocalFile, resolveHub } from '../store/hub.ts';
import type { FetchOptions } from '../store/sources.ts';
import { count } from '../words.ts';
import { CARD_NAME, type CardConfig, configsOfCard } from './card.ts';
import { diskFile } from './disk-file.ts';
import { quoted, warning } from './findings.ts';
import { groupBy } from './groups.ts';
import { openParquet } from './parquet-file.ts';
import { grow, type SourceFile, type Tree } from './tree.ts';
import type { Finding } from './types.ts';

/** A data set on the hub: `hf:datasets/owner/name[@revision][#config/split]`. */
interface HubData {
  repo: string;
  revision?: string;
  config?: string;
  split?: string;
}

export interface HubDataOptions extends FetchOptions {
  /** Number of rows of a split after which no further Parquet file is downloaded. */
  limit?: number;
  /** Called with one line about the size before the download. */
  note?(line: string): void;
}

const FORM = 'hf:datasets/owner/name, then @revision and #config/split if they are needed';

/** The name of a data set on the hub, without its owner. */
export function hubDataName(source: string): string {
  return posix.basename(parseHubData(source).repo);
}

/** Throws `UsageError` `source/malformed`. */
function parseHubData(source: string): HubData {
  const [, repo, revision, config, split] =
    /^hf:(datasets\/[\w][\w.-]*(?:\/[\w][\w.-]*)?)(?:@([\w][\w./-]*))?(?:#([^/]*)(?:\/(.+))?)?$/i.exec(
      source,
    ) ?? [];
  if (repo !== undefined && !revision?.includes('..'))
    return { repo, revision, config: config || undefined, split };
  throw new UsageError(`Cannot read the source "${source}" as a data set on the hub`, {
    code: 'source/malformed',
    hint: `A data set is ${FORM}.`,
    details: { source },
  });
}

/** The branch to which the hub converts data sets that are not in Parquet. */
const CONVERTED = 'refs/convert/parquet';

/** A Parquet file of a data set with its place in it. */
interface Part extends HubEntry {
  config: string;
  split: string;
}

/**
 * The Parquet files of a data set on the hub, each in a folder of its split. The files are kept in the home folder and checked against the
 * hub's hashes, and an interrupted download continues. Without a revision, `main` is used, or the hub's own conversion if `main` has no
 * Parquet file. Throws `UsageError` for a malformed source, `DataError` `dataset/hub-…` if the data set has no Parquet file or lacks the
 * configuration or split, and `ModelError` as `resolveHub`.
 */
export async function hubTree(
  source: string,
  { limit, note, ...options }: HubDataOptions = {},
): Promise<Tree> {
  const { repo, revision: given, config, split } = parseHubData(source);
  const fetching = { ...options, part: 'datasets' as const };
  let revision = given;
  let listing = await hubListing(repo, revision, fetching);
  if (given === undefined && !listing.files.some(isParquet)) {
    const converted = await hubListing(repo, CONVERTED, fetching).catch(unlessNotFound);
    if (converted) [revision, listing] = [CONVERTED, converted];
  }
  const fetch = (paths: readonly string[]) =>
    resolveHub(
      repo,
      revision,
      paths.map((path) => ({ path })),
      { ...fetching, listing },
    );
  const cardPath = listing.files.find(({ path }) => path.toLowerCase() === CARD_NAME)?.path;
  const card =
    cardPath === undefined ? undefined : fileOf(CARD_NAME, (await fetch([cardPath])).files.get(cardPath)!);
  const parts = selectParts(
    source,
    partsIn(listing.files, card ? await configsOfCard(card) : []),
    config,
    split,
  );
  const bytes = parts.reduce((sum, { size }) => sum + size, 0);
  const most = limit === undefined ? '' : 'at most ';
  note?.(
    `${source} at ${listing.commit.slice(0, 7)}: ${most}${count(parts.length, 'Parquet file')}, ${Math.ceil(bytes / 1e6)} MB`,
  );
  const files: SourceFile[] = [];
  const findings: Finding[] = [];
  for (const [name, own] of groupBy(parts, (part) => part.split)) {
    let rows = 0;
    let taken = 0;
    // Without a limit, all files of the split are fetched at the same time.
    const steps = limit === undefined ? [own] : own.map((part) => [part]);
    for (const step of steps) {
      if (limit !== undefined && rows >= limit) break;
      const { files: local } = await fetch(step.map(({ path }) => path));
      for (const { path } of step) {
        const file = fileOf(`${name}/${posix.basename(path)}`, local.get(path)!);
        files.push(file);
        taken++;
        if (limit !== undefined) rows += (await openParquet(file)).rows;
      }
    }
    if (taken < own.length)
      findings.push(
        warning(
          'limit',
          `${name}: ${taken} of ${count(own.length, 'Parquet file')} are downloaded, because they hold enough rows for the limit of ${limit}.`,
        ),
      );
  }
  const all = grow([...files, ...(card ? [card] : [])], []);
  return { name: posix.basename(repo), root: source, ...all, hidden: [], findings, unreadable: [] };
}

function unlessNotFound(error: unknown): undefined {
  if (!(error instanceof ModelError) || error.code !== 'network/not-found') throw error;
}

const isParquet = ({ path }: { path: string }) => /\.parquet$/i.test(path);

const fileOf = (path: string, local: LocalFile) => diskFile(path, local.path);

/** The Parquet files with their configurations and splits, from the card or, if it lists none, from the names of folders and files. */
function partsIn(files: readonly HubEntry[], configs: readonly CardConfig[]): Part[] {
  const parquet = files.filter(isParquet);
  const said = configs.flatMap(({ name, files: patterns }) =>
    patterns.flatMap(({ split, pattern }) =>
      parquet
        .filter(({ path }) => expressionOf(pattern).test(path))
        .map((entry): Part => ({ ...entry, config: name, split })),
    ),
  );
  return said.length > 0 ? said : parquet.map(partOf);
}

/**
 * The configuration and split of a file by its path: `data/train-00000-of-00001.parquet`, `<config>/train-00000-of-00001.parquet`, or
 * `<config>/train/0000.parquet` in the hub's conversion (`partial-train` if it ended at 5 GB).
 */
function partOf(entry: HubEntry): Part {
  const folders = entry.path.split('/').slice(0, -1);
  // Older files have a hash behind their number.
  const stem = posix.parse(entry.path).name.replace(/-\d+-of-\d+(-[0-9a-f]+)?$|(?<=\D)[-_]?\d+$/, '');
  const split = /^\d+$/.test(stem) ? (folders.pop()?.replace(/^partial-/, '') ?? 'train') : stem;
  const config = folders.filter((folder) => folder !== 'data').join('/') || 'default';
  return { ...entry, config, split };
}

/** A pattern of paths with `*`, `**` and `?`. */
function expressionOf(pattern: string): RegExp {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*\*\/?|\*|\?/g, (sign) => (sign === '?' ? '[^/]' : sign === '*' ? '[^/]*' : '.*'));
  return new RegExp(`^${source}$`);
}

function selectParts(source: string, parts: readonly Part[], config?: string, split?: string): Part[] {
  if (parts.length === 0) {
    throw new DataError(`${source} has no Parquet file`, {
      code: 'dataset/hub-no-parquet',
      hint: 'Download the data set and give its folder, or give a revision that has Parquet files.',
      details: { source },
    });
  }
  const configs = [...new Set(parts.map((part) => part.config))];
  const wanted = config ?? (configs.length === 1 ? configs[0] : configs.find((name) => name === 'default'));
  const ofConfig = parts.filter((part) => part.config === wanted);
  if (ofConfig.length === 0) {
    const what = wanted === undefined ? 'several configurations' : `no configuration "${wanted}"`;
    throw notThere(source, `${what}: it has ${quoted(configs)}`, `#${configs[0]}`);
  }
  const splits = [...new Set(ofConfig.map((part) => part.split))];
  const ofSplit = ofConfig.filter((part) => split === undefined || part.split === split);
  if (ofSplit.length > 0) return ofSplit;
  throw notThere(source, `no split "${split}": it has ${quoted(splits)}`, `#${wanted}/${splits[0]}`);
}

function notThere(source: string, what: string, example: string): DataError {
  return new DataError(`${source} has ${what}`, {
    code: 'dataset/hub-part',
    hint: `Write one of them after the name, for example ${source.replace(/#.*$/, '')}${example}.`,
    details: { source },
  });
}
