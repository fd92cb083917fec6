import { pathToFileURL } from 'node:url';
import { ModelError, TipAdapterError, throwIfAborted, UsageError } from '../errors.ts';
import { hubAnswers, hubEndpoint, listHub, tokenHeaders } from './hub.ts';
import { type Fetch, fetchBy, type NetworkOptions, patientFetch } from './network.ts';

/** A file to write into a repository. */
export interface PushedFile {
  /** Path inside the repository. */
  readonly path: string;
  /** Path on this disk. */
  readonly file: string;
}

/** Options of `pushHub`. */
export interface PushOptions extends NetworkOptions {
  /** The title of the commit. */
  readonly message: string;
  /** The path of the file that every push writes. A repository without it has no earlier push. */
  readonly mark: string;
  /** Whether a path is that of a part which a push may leave out. Such parts of an earlier push are removed. */
  readonly isPart: (path: string) => boolean;
  /** Whether everyone may read a repository that is made now. Default: its owner only. */
  readonly public?: boolean;
}

/** A commit on the hub. */
export interface Pushed {
  /** 40 hex digits. */
  readonly commit: string;
  /** The page of the repository. */
  readonly url: string;
  /** Whether the repository is new. */
  readonly isNew: boolean;
  /** Paths of an earlier push that were removed. */
  readonly removed: readonly string[];
}

/** Milliseconds within which the hub says whether a repository exists. */
const LOOK = 15_000;
/** Milliseconds within which a file, or a part of a large one, must be sent. */
const PATIENCE = 3_600_000;

/**
 * Throws `UsageError` if `repo` is not `owner/name` (`hub/repository`) or `HF_TOKEN` has no token (`hub/no-token`), before work is done for
 * a push.
 */
export function checkPush(repo: string): void {
  if (!/^\w[\w.-]*\/\w[\w.-]*$/.test(repo))
    throw new UsageError(`"${repo}" is not a repository on the hub`, {
      code: 'hub/repository',
      hint: 'Give owner/name, where the owner is your account or an organisation.',
      details: { repo },
    });
  if (!tokenHeaders().authorization)
    throw new UsageError('Writing to the hub needs a token', {
      code: 'hub/no-token',
      hint: 'Make a token with write access in the settings of your account on the hub, and set HF_TOKEN to it.',
    });
}

/**
 * Writes files into a model repository (`owner/name`) in one commit on its branch `main`, and makes the repository if it does not exist.
 * Files of an earlier push that are not written again are removed in the same commit, and others stay. Uses the hub's API for commits, with Git LFS for large files
 * (https://huggingface.co/docs/hub/api). Throws as `checkPush`, `UsageError` `hub/other-files` if the repository has no earlier push but
 * files in its places, and `ModelError` `network/…`.
 */
export async function pushHub(
  repo: string,
  files: readonly PushedFile[],
  { message, mark, isPart, public: isPublic = false, ...options }: PushOptions,
): Promise<Pushed> {
  checkPush(repo);
  const { commit, createRepo } = await import('@huggingface/hub');
  const hub = { hubUrl: hubEndpoint(), fetch: await hubFetch(options), repo };
  try {
    const visibility = isPublic ? 'public' : 'private';
    // A token for one repository may not make any, so an existing one is looked for first.
    const isNew = !(await hubAnswers(LOOK, repo, options));
    if (isNew) await createRepo({ ...hub, visibility, accessToken: '' });
    const written = new Set(files.map(({ path }) => path));
    const there = isNew ? [] : (await listHub(repo, 'main', options)).files.map(({ path }) => path);
    if (!there.includes(mark)) checkNoOthers(repo, there, isPart);
    const removed = there.filter((path) => !written.has(path) && isPart(path));
    const made = await commit({
      ...hub,
      title: message,
      // The library's other protocol for large files, Xet, is not known to mirrors.
      useXet: false,
      abortSignal: options.signal,
      operations: [
        ...removed.map((path) => ({ operation: 'delete' as const, path })),
        ...files.map(({ path, file }) => {
          return { operation: 'addOrUpdate' as const, path, content: pathToFileURL(file) };
        }),
      ],
    });
    return { commit: made!.commit.oid, url: `${hub.hubUrl}/${repo}`, isNew, removed };
  } catch (error) {
    throwIfAborted(options.signal);
    throw error instanceof TipAdapterError ? error : pushError(error as HubFailure, repo);
  }
}

/** Throws if files that no push has written would be replaced now or removed by the next push. A card beside no other file is the hub's own. */
function checkNoOthers(repo: string, there: readonly string[], isPart: (path: string) => boolean): void {
  const isBare = there.every((path) => path === '.gitattributes' || path === 'README.md');
  const others = isBare ? [] : there.filter((path) => path === 'README.md' || isPart(path));
  if (others.length === 0) return;
  throw new UsageError(`${repo} has files that tip-adapter did not write: ${others.join(', ')}`, {
    code: 'hub/other-files',
    hint: 'Give another repository, or remove these files from it.',
    details: { repo, files: others },
  });
}

/** A fetch with retries, which sends the token only to the hub itself and is patient with files. */
async function hubFetch(options: NetworkOptions): Promise<Fetch> {
  const send = await patientFetch(options);
  const fetch = options.fetch ?? (await fetchBy({ patience: PATIENCE }));
  const sendFile = await patientFetch({ ...options, fetch });
  const { origin } = new URL(hubEndpoint());
  return (input, init) => {
    const url = String(input);
    const given = Object.fromEntries(new Headers(init?.headers));
    const own = new URL(url).origin === origin ? tokenHeaders() : {};
    return (init?.method === 'PUT' ? sendFile : send)(url, { ...init, headers: { ...given, ...own } });
  };
}

/** An error of the hub's library. */
type HubFailure = Error & { readonly statusCode?: number };

/** The error of a refused push. The library's error is not kept, because it has the signed addresses of files. */
function pushError({ statusCode: status, message }: HubFailure, repo: string): ModelError {
  const { host } = new URL(hubEndpoint());
  const details = { repo, status };
  if (status === 401 || status === 403)
    return new ModelError(`${host} does not let the token write to ${repo} (status ${status})`, {
      code: 'network/denied',
      hint: 'Set HF_TOKEN to a token with write access, and check the owner of the repository.',
      details,
    });
  const said = message.replace(/\.? *(URL|Request ID): .*$/s, '');
  return new ModelError(`${host} did not take the files of ${repo}: ${said}`, {
    code: 'network/push',
    hint: 'Nothing was changed on the hub, except that a new repository may have been made. Run the same command again.',
    details,
  });
}
