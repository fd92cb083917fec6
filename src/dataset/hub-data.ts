import { posix } from 'node:path';
import type { Abortable } from '../abort.ts';
import { DataError, ModelError, UsageError } from '../errors.ts';
import { type HubEntry, type HubOptions, hubListing, type LocalFile, resolveHub } from '../store/hub.ts';
import { missingObject, type PictureStore } from '../store/object-store.ts';
import { readRegular } from '../store/regular.ts';
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

/** The Parquet files that a source names, before they are downloaded. */
interface HubParts {
  /** The source with the commit in place of a branch or tag. */
  root: string;
  /** Name of the data set, without its owner. */
  name: string;
  parts: readonly Part[];
  card?: SourceFile;
  /** The name of a file among the others: its own below the folder of its split, or its whole path if two files of a split have the same name. */
  nameOf(part: Part): string;
  fetch(paths: readonly string[], options?: HubOptions): Promise<Map<string, LocalFile>>;
}

async function hubParts(source: string, { limit, note, ...options }: HubDataOptions = {}): Promise<HubParts> {
  const { repo, revision: given, config, split } = parseHubData(source);
  const fetching = { ...options, part: 'datasets' as const };
  let revision = given;
  let listing = await hubListing(repo, revision, fetching);
  if (given === undefined && !listing.files.some(isParquet)) {
    const converted = await hubListing(repo, CONVERTED, fetching).catch(unlessNotFound);
    if (converted) [revision, listing] = [CONVERTED, converted];
  }
  const fetch: HubParts['fetch'] = async (paths, own) => {
    const wanted = paths.map((path) => ({ path }));
    return (await resolveHub(repo, revision, wanted, { ...fetching, ...own, listing })).files;
  };
  const cardPath = listing.files.find(({ path }) => path.toLowerCase() === CARD_NAME)?.path;
  const card =
    cardPath === undefined ? undefined : fileOf(CARD_NAME, (await fetch([cardPath])).get(cardPath)!);
  const parts = selectParts(
    source,
    partsIn(listing.files, card ? await configsOfCard(card) : []),
    config,
    split,
  );
  // Without a card nothing is fetched yet. The commit is recorded nevertheless, so that it stays the same when the branch moves.
  if (!card) await fetch([]);
  const bytes = parts.reduce((sum, { size }) => sum + size, 0);
  const most = limit === undefined ? '' : 'at most ';
  note?.(
    `${source} at ${listing.commit.slice(0, 7)}: ${most}${count(parts.length, 'Parquet file')}, ${Math.ceil(bytes / 1e6)} MB`,
  );
  const [, place = ''] = /(#.*)$/.exec(source) ?? [];
  const short = ({ split, path }: Part) => `${split}/${posix.basename(path)}`;
  const areDistinct = new Set(parts.map(short)).size === parts.length;
  return {
    root: `hf:${repo}@${listing.commit}${place}`,
    ...{ name: posix.basename(repo), parts, card, fetch },
    nameOf: (part) => (areDistinct ? short(part) : `${part.split}/${part.path}`),
  };
}

/**
 * The Parquet files of a data set on the hub, each in a folder of its split. The files are kept in the home folder and checked against the
 * hub's hashes, and an interrupted download continues. Without a revision, `main` is used, or the hub's own conversion if `main` has no
 * Parquet file; the tree's root names the commit. Throws `UsageError` for a malformed source, `DataError` `dataset/hub-…` if the data set has
 * no Parquet file or lacks the configuration or split, and `ModelError` as `resolveHub`.
 */
export async function hubTree(source: string, options: HubDataOptions = {}): Promise<Tree> {
  const { limit } = options;
  const { root, name: title, parts, card, nameOf, fetch } = await hubParts(source, options);
  const files: SourceFile[] = [];
  const findings: Finding[] = [];
  for (const [name, own] of groupBy(parts, (part) => part.split)) {
    let rows = 0;
    let taken = 0;
    // Without a limit, all files of the split are fetched at the same time.
    const steps = limit === undefined ? [own] : own.map((part) => [part]);
    for (const step of steps) {
      if (limit !== undefined && rows >= limit) break;
      const local = await fetch(step.map(({ path }) => path));
      for (const part of step) {
        const file = fileOf(nameOf(part), local.get(part.path)!);
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
  return { name: title, root, ...all, hidden: [], findings, unreadable: [] };
}

/** The source with the commit of the data set in place of a branch or tag, which another machine may know by another commit. */
export async function pinnedHubData(source: string, options: FetchOptions = {}): Promise<string> {
  return (await hubParts(source, options)).root;
}

/**
 * The Parquet files of a data set on the hub as the objects of a store, by the same names as in `hubTree`. A file is downloaded when it is
 * asked for. Throws as `hubTree`.
 */
export async function hubStore(source: string, options: HubDataOptions = {}): Promise<PictureStore> {
  const { root, parts, nameOf, fetch } = await hubParts(source, options);
  const sorted = parts.map((part) => [nameOf(part), part] as const).sort(([a], [b]) => (a < b ? -1 : 1));
  const byName = new Map(sorted);
  const objectOf = (key: string, { size, sha256, gitOid }: Part) => ({ key, size, tag: sha256 ?? gitOid });
  const pathOf = async (key: string, { signal }: Abortable = {}) => {
    const part = byName.get(key);
    if (!part) throw missingObject(`${key} in ${root}`);
    return (await fetch([part.path], { signal })).get(part.path)!.path;
  };
  return {
    address: root,
    async *list(prefix = '', { after = '' } = {}) {
      for (const [key, part] of sorted) if (key.startsWith(prefix) && key > after) yield objectOf(key, part);
    },
    async find(key) {
      const part = byName.get(key);
      return part && objectOf(key, part);
    },
    read: async (key, own) => readRegular(await pathOf(key, own), { area: 'store' }),
    pathOf,
  };
}

function unlessNotFound(error: unknown): undefined {
  if (!(error instanceof ModelError) || error.code !== 'network/not-found') throw error;
}

const isParquet = ({ path }: { path: string }) => /\.parquet$/i.test(path);

const fileOf = (path: string, { path: local, sha256: tag }: LocalFile): SourceFile => ({
  ...diskFile(path, local),
  tag,
});

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
