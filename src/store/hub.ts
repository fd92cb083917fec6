import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelError, throwIfAborted, UsageError } from '../errors.ts';
import { writeFileAtomic } from './atomic.ts';
import { download } from './download.ts';
import { homeFolder } from './home.ts';
import { type Fetch, type NetworkOptions, patientFetch, proxyFetch, refusal } from './network.ts';
import type { FetchOptions } from './sources.ts';

/** A file of a hub repository as the hub's API describes it. */
export interface HubEntry {
  path: string;
  /** Size in bytes. */
  size: number;
  /** Sha256 (hex) as the hub gives it, only for large files, which are in LFS. */
  sha256?: string;
  /** Git's sha1 of the content, for small files. */
  gitOid?: string;
}

export interface HubListing {
  /** The commit of the revision (40 hex digits). */
  commit: string;
  files: HubEntry[];
  /** The present name of a repository that was moved. */
  movedTo?: string;
}

/** A file to fetch, with its sha256 (hex) if that is known beforehand. An optional file may be missing. */
export interface WantedFile {
  path: string;
  sha256?: string;
  optional?: boolean;
}

/** A file on this disk, which was checked when it was downloaded. */
export interface LocalFile {
  /** Absolute path. */
  path: string;
  size: number;
  sha256: string;
}

export interface HubFiles {
  repo: string;
  commit: string;
  /** Files by their path inside the repository. Missing optional files are left out. */
  files: Map<string, LocalFile>;
}

export interface HubOptions extends FetchOptions {
  /** Ask the hub again for the commit of the revision. Default: the commit that was recorded at the first run. */
  refresh?: boolean;
  /** The part of the home folder that keeps the files. Default: `encoders`. */
  part?: 'encoders' | 'datasets' | 'classifiers';
  /** The result of `hubListing`, if the hub is not to be asked again. */
  listing?: HubListing;
}

/** URL of the hub without a slash at the end: `HF_ENDPOINT`, else huggingface.co. */
export function hubEndpoint(): string {
  return (process.env.HF_ENDPOINT || 'https://huggingface.co').replace(/\/+$/, '');
}

/** The header with the token of `HF_TOKEN`, if there is one, for requests to the hub itself. */
export function tokenHeaders(): Record<string, string> {
  const token = process.env.HF_TOKEN?.trim();
  return token ? { authorization: `Bearer ${token}` } : {};
}

const ACCESS_HINT =
  'The repository may not exist, or may be private or gated. Check its name, set HF_TOKEN to a token with access, and accept its terms on its page.';

/** Whether the hub answers a question about `repo` (`owner/name`, or `datasets/owner/name`) within `timeout` milliseconds. Never throws. */
export async function hubAnswers(
  timeout: number,
  repo: string,
  options: NetworkOptions = {},
): Promise<boolean> {
  try {
    const send = options.fetch ?? (await proxyFetch());
    const late = AbortSignal.timeout(timeout);
    const signal = options.signal ? AbortSignal.any([late, options.signal]) : late;
    const api = repo.startsWith('datasets/') ? repo : `models/${repo}`;
    const response = await send(`${hubEndpoint()}/api/${api}`, { headers: tokenHeaders(), signal });
    await response.body?.cancel();
    // The login page of a network may answer too, but not with JSON.
    return response.ok && /json/.test(response.headers.get('content-type') ?? '');
  } catch {
    return false;
  }
}

/**
 * Asks the hub for the commit of a revision (a branch, tag, commit or `refs/pr/n`) and its files.
 * Throws `ModelError` `network/…`.
 */
export async function listHub(
  repo: string,
  revision = 'main',
  options: NetworkOptions = {},
): Promise<HubListing> {
  return asking({ repo, revision }, options, async (where) => {
    const { datasetInfo, modelInfo } = await import('@huggingface/hub');
    const [, dataset] = /^datasets\/(.+)$/.exec(repo) ?? [];
    const { sha: commit, name } = await (dataset === undefined
      ? modelInfo({ ...where, name: repo, revision, additionalFields: ['sha'] })
      : datasetInfo({ ...where, name: dataset, revision, additionalFields: ['sha'] }));
    if (!/^[0-9a-f]{40}$/.test(commit ?? '')) throw new Error('no commit in its answer');
    const movedTo = name && name !== (dataset ?? repo) ? { movedTo: name } : {};
    return { commit, files: await entriesIn(where, repo, commit), ...movedTo };
  });
}

/**
 * The files in a folder of a repository (`owner/name`, or `datasets/owner/name`) at a commit, including those in its subfolders.
 * Throws `ModelError` `network/…`.
 */
export function listHubFolder(
  repo: string,
  commit: string,
  folder: string,
  options: NetworkOptions = {},
): Promise<HubEntry[]> {
  return asking({ repo, revision: commit }, options, (where) => entriesIn(where, repo, commit, folder));
}

/** Parts of a URL of the hub's API. */
interface HubAddress {
  hubUrl: string;
  fetch: Fetch;
}

async function entriesIn(
  where: HubAddress,
  repo: string,
  commit: string,
  path?: string,
): Promise<HubEntry[]> {
  const { listFiles } = await import('@huggingface/hub');
  const files: HubEntry[] = [];
  for await (const entry of listFiles({ ...where, repo, revision: commit, path, recursive: true })) {
    if (entry.type !== 'file') continue;
    const { path, lfs, oid } = entry;
    files.push(lfs ? { path, size: lfs.size, sha256: lfs.oid } : { path, size: entry.size, gitOid: oid });
  }
  return files;
}

/** Asks the hub's API, and turns failures into `ModelError`. */
async function asking<T>(
  what: { repo: string; revision: string },
  options: NetworkOptions,
  question: (where: HubAddress) => Promise<T>,
): Promise<T> {
  const fetch = await hubFetch(options);
  try {
    return await question({ hubUrl: hubEndpoint(), fetch });
  } catch (error) {
    throwIfAborted(options.signal);
    if (error instanceof ModelError) throw error;
    throw new ModelError(
      `${hubEndpoint()} gave no usable answer about ${what.repo}: ${(error as Error).message}`,
      {
        code: 'network/odd-answer',
        hint: 'Set HF_ENDPOINT to a Hugging Face hub or a full mirror of one.',
        details: what,
        cause: error,
      },
    );
  }
}

/** A fetch for the hub's API, with the token and retries; refusals are thrown as `ModelError`. */
async function hubFetch(options: NetworkOptions): Promise<Fetch> {
  const send = await patientFetch(options);
  return async (input, init) => {
    const url = String(input);
    // The hub gives the URL of a list's next page. The token is sent only to the hub itself.
    const own = new URL(url).origin === new URL(hubEndpoint()).origin ? tokenHeaders() : {};
    const response = await send(url, { ...init, headers: { accept: 'application/json', ...own } });
    if (response.ok) return response;
    await response.body?.cancel();
    throw refusal(response, url, ACCESS_HINT);
  };
}

/** The hub's listing of a revision and the files fetched from it, recorded so that later runs need no network. */
interface HubRecord extends HubListing {
  fetched: Record<string, { size: number; sha256: string }>;
}

/** The folder of a repository's files and the path of the record of a revision. */
function placeOf(repo: string, revision: string | undefined, part: HubOptions['part'] = 'encoders') {
  const folder = join(homeFolder(part), 'hub', repo.replace(/^datasets\//, '').replace('/', '--'));
  return { folder, recordPath: join(folder, `${encodeURIComponent(revision ?? 'main')}.json`) };
}

/** The files of a repository at a revision, as the first fetch recorded them or as the hub lists them. Throws as `listHub`. */
export async function hubListing(
  repo: string,
  revision: string | undefined,
  options: HubOptions = {},
): Promise<HubListing> {
  const { recordPath } = placeOf(repo, revision, options.part);
  const known = options.refresh ? undefined : await readRecord(recordPath);
  return known ?? listHub(repo, revision, options);
}

/**
 * Fetches the wanted files of a repository at a revision into `encoders/hub/<owner>--<repo>/<commit>/…`. Later runs use what the
 * first run recorded and fetched, without the network, so that features do not change silently when a branch moves (`refresh` asks
 * the hub again). A given sha256 must match both the hub's listing and the bytes; without one, the hub's LFS sha256 or git sha1 is
 * checked. Progress counts all files together.
 * Throws `UsageError` for an unsafe path, `ModelError` `hub/no-file`, `hub/other-file`, `network/…`, `checksum/…`.
 */
export async function resolveHub(
  repo: string,
  revision: string | undefined,
  wanted: readonly WantedFile[],
  options: HubOptions = {},
): Promise<HubFiles> {
  for (const { path } of wanted) checkPath(path);
  const { folder, recordPath } = placeOf(repo, revision, options.part);
  const known = options.refresh ? undefined : await readRecord(recordPath);
  const there = known && (await filesThere(folder, known, wanted));
  if (there) return { repo, commit: known.commit, files: there };

  const listing = known ?? options.listing ?? (await listHub(repo, revision, options));
  const entries = selectEntries(repo, listing, wanted);
  const files = await fetchEntries(repo, listing.commit, join(folder, listing.commit), entries, options);
  const fetched = Object.fromEntries([...files].map(([path, { size, sha256 }]) => [path, { size, sha256 }]));
  const record: HubRecord = { ...listing, fetched: { ...known?.fetched, ...fetched } };
  await writeFileAtomic(recordPath, JSON.stringify(record, null, 1));
  return { repo, commit: listing.commit, files };
}

async function readRecord(path: string): Promise<HubRecord | undefined> {
  try {
    const record = JSON.parse(await readFile(path, 'utf8')) as HubRecord;
    return record.commit && Array.isArray(record.files) ? record : undefined;
  } catch {
    return undefined;
  }
}

/** The wanted files, if all were fetched before and still have their sizes; otherwise undefined. */
async function filesThere(
  folder: string,
  { commit, files, fetched }: HubRecord,
  wanted: readonly WantedFile[],
): Promise<Map<string, LocalFile> | undefined> {
  const found = new Map<string, LocalFile>();
  for (const { path, sha256, optional } of wanted) {
    const known = fetched[path];
    if (!known && optional && !files.some((file) => file.path === path)) continue;
    const local = join(folder, commit, path);
    const size = await stat(local).then(
      (info) => info.size,
      () => -1,
    );
    if (size !== known?.size || (sha256 && sha256.toLowerCase() !== known.sha256)) return undefined;
    found.set(path, { path: local, ...known });
  }
  return found;
}

/** The hub's entries of the wanted files. A pinned sha256 must equal the hub's. */
function selectEntries(
  repo: string,
  { commit, files }: HubListing,
  wanted: readonly WantedFile[],
): HubEntry[] {
  const listed = new Map(files.map((file) => [file.path, file]));
  const missing = wanted
    .filter(({ path, optional }) => !optional && !listed.has(path))
    .map(({ path }) => path);
  if (missing.length > 0) {
    throw new ModelError(`${repo} at ${commit} has no ${missing.join(', ')}`, {
      code: 'hub/no-file',
      hint: 'Give another revision or repository.',
      details: { repo, commit, missing },
    });
  }
  return wanted.flatMap(({ path, sha256: pinned }) => {
    const entry = listed.get(path);
    if (!entry) return [];
    const sha256 = pinned?.toLowerCase() ?? entry.sha256;
    if (entry.sha256 !== undefined && entry.sha256 !== sha256) {
      throw new ModelError(`${repo}/${path} at ${commit} has the sha256 ${entry.sha256}, not ${sha256}`, {
        code: 'hub/other-file',
        hint: 'The file was changed in the repository. Give the revision that has the expected file.',
        details: { repo, commit, path, expected: sha256, actual: entry.sha256 },
      });
    }
    return [{ ...entry, sha256 }];
  });
}

/** Number of files that are fetched at the same time. */
const AT_ONCE = 8;

/**
 * Fetches files of a repository at a commit into `folder`, each under its path, and checks each against its entry. Files that exist
 * are not fetched again. The first failure stops the other downloads. Throws as `download` does.
 */
export async function fetchEntries(
  repo: string,
  commit: string,
  folder: string,
  entries: readonly HubEntry[],
  { onProgress, signal, ...options }: HubOptions = {},
): Promise<Map<string, LocalFile>> {
  const total = entries.reduce((sum, { size }) => sum + size, 0);
  const received = new Float64Array(entries.length);
  const files: [string, LocalFile][] = [];
  const stop = new AbortController();
  const both = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const waiting = entries.entries();
  const fetchNext = async () => {
    for (const [i, { path, ...expected }] of waiting) {
      const done = await download({
        ...options,
        ...expected,
        signal: both,
        url: `${hubEndpoint()}/${repo}/resolve/${commit}/${path.split('/').map(encodeURIComponent).join('/')}`,
        path: join(folder, path),
        headers: tokenHeaders(),
        accessHint: ACCESS_HINT,
        onProgress: (state) => {
          received[i] = state.received;
          onProgress?.({ received: received.reduce((sum, bytes) => sum + bytes, 0), total });
        },
      });
      files[i] = [path, { path: done.path, size: done.size, sha256: done.sha256 }];
    }
  };
  const work = Array.from({ length: AT_ONCE }, fetchNext);
  try {
    await Promise.all(work);
  } catch (error) {
    stop.abort();
    await Promise.allSettled(work);
    throw error;
  }
  return new Map(files);
}

function checkPath(path: string): void {
  const parts = path.split(/[\\/]/);
  if (parts.every((part) => part !== '' && part !== '.' && part !== '..' && !part.includes(':'))) return;
  throw new UsageError(`"${path}" is not a path inside a repository`, {
    code: 'hub/path',
    details: { path },
  });
}
