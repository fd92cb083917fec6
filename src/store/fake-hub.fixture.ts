import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { parse } from 'yaml';

/** A repository on the fake hub, under `owner/name` or `datasets/owner/name`. */
export interface FakeRepo {
  files: Record<string, Uint8Array | string>;
  /** Which files are in LFS, and so redirected to the CDN. Default: all but `.json` and `.txt`. */
  lfs?: (path: string) => boolean;
  /** 40 hex digits. Default: derived from the content. */
  commit?: string;
  /** Names of the commit, besides `main` and `HEAD`. */
  revisions?: string[];
  /** Other branches with files of their own. */
  branches?: Record<string, FakeRepo>;
  /** The token that a request must send to read the repository. */
  token?: string;
  /** Whether a request without the token is refused as one for a gated repository. */
  gated?: boolean;
  /** Titles of commits, newest last, and the visibility that the repository was made with. */
  titles?: string[];
  visibility?: string;
  /** The name that requests are redirected to. */
  movedTo?: string;
}

/** A fault to cause in the next requests whose path matches. */
interface Fault {
  match: RegExp;
  /** Number of requests. Default: 1. */
  times?: number;
  /** Answer with this status and nothing else. */
  status?: number;
  headers?: Record<string, string>;
  /** Break the connection after this many bytes of the body. */
  cutAfter?: number;
  /** Send these bytes instead of the file's. */
  instead?: Uint8Array;
  /** Answer ranges with the whole file. */
  ignoreRange?: boolean;
  /** An ETag to send in place of the content's. */
  etag?: string;
}

interface SeenRequest {
  server: 'hub' | 'cdn' | 'registry';
  path: string;
  headers: IncomingMessage['headers'];
  readonly status: number;
}

interface FakeServer {
  /** URL without a slash at the end. */
  endpoint: string;
  requests: SeenRequest[];
  fail(fault: Fault): void;
  close(): Promise<void>;
}

export interface FakeHub extends FakeServer {
  /** URL of the server that large files are redirected to. Its port differs, so it is another origin. */
  cdn: string;
  repos: Record<string, FakeRepo>;
}

const bytesOf = (content: Uint8Array | string) =>
  typeof content === 'string' ? Buffer.from(content) : content;
const hash = (algorithm: string, ...parts: (Uint8Array | string)[]) => {
  const digest = createHash(algorithm);
  for (const part of parts) digest.update(part);
  return digest.digest('hex');
};
export const sha256Of = (content: Uint8Array | string): string => hash('sha256', content);
export const gitOidOf = (content: Uint8Array | string): string =>
  hash('sha1', `blob ${bytesOf(content).length}\0`, content);
export const integrityOf = (content: Uint8Array): string =>
  `sha512-${createHash('sha512').update(content).digest('base64')}`;

/** The commit of a fake repository. */
export function commitOf({ commit, files }: FakeRepo): string {
  return commit ?? hash('sha1', ...Object.entries(files).flat());
}

/** The part of huggingface.co's hub that this project uses, and its CDN, on two ports of 127.0.0.1. Only requests with `writeToken` write. */
export async function startFakeHub(
  repos: Record<string, FakeRepo>,
  { writeToken }: { writeToken?: string } = {},
): Promise<FakeHub> {
  const faults: Fault[] = [];
  const requests: SeenRequest[] = [];
  const uploads = new Map<string, Uint8Array>();
  const cdn = await listen('cdn', requests, faults, async (request, response, fault) => {
    if (request.method === 'PUT') {
      const content = await buffer(request);
      uploads.set(sha256Of(content), content);
      return answer(response, request.headers.authorization ? 400 : 200);
    }
    const sha256 = request.url?.split('/').at(-1);
    const all = Object.values(repos)
      .flatMap((repo) => [repo, ...Object.values(repo.branches ?? {})])
      .flatMap(({ files }) => Object.values(files));
    const content = all.find((file) => sha256Of(file) === sha256);
    // Object stores refuse an authorization header together with a signed URL.
    if (request.headers.authorization) return answer(response, 400);
    if (content === undefined) return answer(response, 404);
    sendBytes(request, response, bytesOf(content), fault);
  });
  const hub = await listen('hub', requests, faults, async (request, response, fault) => {
    if (request.method === 'POST')
      return takeWrite(request, response, { repos, uploads, cdn: cdn.endpoint, writeToken });
    const url = new URL(request.url ?? '', 'http://hub');
    const path = decodeURIComponent(url.pathname);
    const name = Object.keys(repos).find((repo) =>
      `${path}/`.replace(/^\/api(\/models)?/, '').startsWith(`/${repo}/`),
    );
    const repo = name === undefined ? undefined : repos[name];
    if (repo?.token && request.headers.authorization !== `Bearer ${repo.token}`) {
      const gate = { 'x-error-code': 'GatedRepo', 'x-error-message': 'Access to this model is restricted' };
      return answer(response, repo.gated ? 403 : 401, repo.gated ? gate : {});
    }
    if (repo?.movedTo)
      return answer(response, 307, { location: (request.url ?? '').replace(name ?? '', repo.movedTo) });
    // Without a token, the real hub gives the same answer for a missing and a private repository.
    if (!repo || name === undefined) return answer(response, request.headers.authorization ? 404 : 401);
    const api = name.startsWith('datasets/') ? `/api/${name}` : `/api/models/${name}`;
    if (path === api || path.startsWith(`${api}/revision/`)) {
      const own = revisionOf(repo, path.slice(`${api}/revision/`.length) || 'main');
      if (!own) return answer(response, 404);
      return sendJson(response, {
        _id: '1',
        id: name,
        sha: commitOf(own),
        lastModified: '2024-01-01T00:00:00Z',
      });
    }
    const [, kind, revision = '', file = ''] = /\/(tree|resolve)\/([^/]+)\/?(.*)$/.exec(path) ?? [];
    const own = revisionOf(repo, revision);
    if (!own) return answer(response, 404);
    if (kind === 'tree') return sendTree(request, response, own, url);
    if (own.files[file] === undefined) return answer(response, 404);
    sendFile(request, response, own, file, cdn.endpoint, fault);
  });
  return {
    ...hub,
    cdn: cdn.endpoint,
    repos,
    close: async () => {
      await Promise.all([hub.close(), cdn.close()]);
    },
  };
}

/** What requests that write need. */
interface Writing {
  repos: Record<string, FakeRepo>;
  uploads: Map<string, Uint8Array>;
  cdn: string;
  writeToken: string | undefined;
}

/** Makes a repository, says which files are large, where these are sent, and takes a commit (https://huggingface.co/docs/hub/api). */
async function takeWrite(
  request: IncomingMessage,
  response: ServerResponse,
  { repos, uploads, cdn, writeToken }: Writing,
): Promise<void> {
  const text = (await buffer(request)).toString();
  if (!writeToken || request.headers.authorization !== `Bearer ${writeToken}`) return answer(response, 403);
  if (request.url === '/api/repos/create') {
    const { organization, name, visibility } = JSON.parse(text);
    repos[`${organization}/${name}`] = { files: {}, titles: [], visibility };
    return sendJson(response, { url: `/${organization}/${name}`, id: `${organization}/${name}` });
  }
  const path = request.url ?? '';
  const repo =
    repos[
      /^\/(?:api\/models\/)?([^/]+\/[^/]+?)(?:\.git)?\/(?:preupload|commit|info)\//.exec(path)?.[1] ?? ''
    ];
  if (!repo) return answer(response, 404);
  if (path.includes('/preupload/')) {
    const files = (JSON.parse(text).files as { path: string; size: number }[]).map(({ path, size }) => {
      return { path, uploadMode: size > 500 && inLfs(repo, path) ? 'lfs' : 'regular', shouldIgnore: false };
    });
    return sendJson(response, { files });
  }
  if (path.endsWith('/objects/batch')) {
    const objects = (JSON.parse(text).objects as { oid: string; size: number }[]).map((object) => {
      return {
        ...object,
        actions: { upload: { href: `${cdn}/upload/${object.oid}?signature=signed`, header: {} } },
      };
    });
    return sendJson(response, { transfer: 'basic', objects });
  }
  const files = { ...repo.files };
  for (const line of text.split('\n')) {
    const { key, value } = JSON.parse(line);
    if (key === 'header') repo.titles?.push(value.summary);
    if (key === 'file') files[value.path] = Buffer.from(value.content, 'base64');
    if (key === 'lfsFile') files[value.path] = uploads.get(value.oid)!;
    if (key === 'deletedFile') delete files[value.path];
  }
  const fault = faultOfCard(String(files['README.md'] ?? ''));
  if (fault) return sendJson(response, { error: fault }, 400);
  Object.assign(repo, { files });
  sendJson(response, { success: true, commitOid: commitOf(repo), commitUrl: `/commit/${commitOf(repo)}` });
}

/** What the hub finds wrong in a model card's metadata. */
function faultOfCard(card: string): string | undefined {
  const [, yaml = ''] = /^---\n(.*?)\n---\n/s.exec(card) ?? [];
  const { license, license_name, 'model-index': index = [] } = parse(yaml) ?? {};
  if (typeof license !== 'string' || !/^[a-z0-9.-]+$/.test(license)) return '"license" must be one of a list';
  if (license === 'other' && !/^[a-z0-9.-]+$/.test(license_name)) return '"license_name" must be a slug';
  for (const { name, results } of index)
    for (const { task, dataset, metrics } of results)
      if (
        !name ||
        !task.type ||
        !dataset.type ||
        !dataset.name ||
        metrics.some((one: { type?: string; value?: number }) => !one.type || one.value === undefined)
      )
        return '"model-index" lacks a field';
  return undefined;
}

/** An npm registry with the tarballs of `name@version`. With `elsewhere`, tarballs are not at the usual URL. */
export async function startFakeRegistry(
  packages: Record<string, Uint8Array>,
  { token, elsewhere = false }: { token?: string; elsewhere?: boolean } = {},
): Promise<FakeServer> {
  const registry = await listen('registry', [], [], (request, response, fault) => {
    if (token && request.headers.authorization !== `Bearer ${token}`) return answer(response, 401);
    const path = decodeURIComponent(request.url ?? '');
    const place = elsewhere ? 'blobs' : '-';
    for (const [id, tarball] of Object.entries(packages)) {
      const at = id.lastIndexOf('@');
      const [name, version] = [id.slice(0, at), id.slice(at + 1)];
      const url = `/${name}/${place}/${name.split('/').at(-1)}-${version}.tgz`;
      if (path === url) return sendBytes(request, response, tarball, fault);
      const dist = { tarball: `http://${request.headers.host}${url}`, integrity: integrityOf(tarball) };
      if (path === `/${name}`) return sendJson(response, { name, versions: { [version]: { dist } } });
    }
    answer(response, 404);
  });
  return registry;
}

type Handler = (
  request: IncomingMessage,
  response: ServerResponse,
  fault: Fault | undefined,
) => void | Promise<void>;

async function listen(
  name: SeenRequest['server'],
  requests: SeenRequest[],
  faults: Fault[],
  handle: Handler,
): Promise<FakeServer> {
  const server: Server = createServer((request, response) => {
    const path = request.url ?? '';
    const fault = faults.find(({ match, times = 1 }) => times > 0 && match.test(path));
    if (fault) fault.times = (fault.times ?? 1) - 1;
    requests.push({
      server: name,
      path,
      headers: request.headers,
      get status() {
        return response.statusCode;
      },
    });
    if (fault?.status) return answer(response, fault.status, fault.headers);
    void handle(request, response, fault);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    fail: (fault) => faults.unshift(fault),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The files of a revision, which is a branch or a commit. */
function revisionOf(repo: FakeRepo, revision: string): FakeRepo | undefined {
  if (['main', 'HEAD', commitOf(repo), ...(repo.revisions ?? [])].includes(revision)) return repo;
  return Object.entries(repo.branches ?? {}).find(
    ([name, own]) => name === revision || commitOf(own) === revision,
  )?.[1];
}

function inLfs({ lfs }: FakeRepo, path: string): boolean {
  return lfs ? lfs(path) : !/\.(json|txt)$/.test(path);
}

function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  repo: FakeRepo,
  path: string,
  cdn: string,
  fault: Fault | undefined,
): void {
  const content = repo.files[path]!;
  response.setHeader('x-repo-commit', commitOf(repo));
  if (!inLfs(repo, path)) {
    sendBytes(request, response, bytesOf(content), { etag: `"${gitOidOf(content)}"`, ...fault });
    return;
  }
  const sha256 = sha256Of(content);
  response.setHeader('x-linked-etag', `"${sha256}"`);
  response.setHeader('x-linked-size', bytesOf(content).length);
  response.setHeader('location', `${cdn}/blobs/${sha256}`);
  answer(response, 302);
}

/** Sends a list in pages of two files: the real hub sends long lists in pages. */
function sendTree(request: IncomingMessage, response: ServerResponse, repo: FakeRepo, url: URL): void {
  const start = Number(url.searchParams.get('cursor') ?? 0);
  const [, folder = ''] = /\/tree\/[^/]+\/(.+)$/.exec(decodeURIComponent(url.pathname)) ?? [];
  const paths = Object.keys(repo.files).filter((path) => path.startsWith(folder && `${folder}/`));
  if (start + 2 < paths.length) {
    url.searchParams.set('cursor', String(start + 2));
    response.setHeader('link', `<http://${request.headers.host}${url.pathname}${url.search}>; rel="next"`);
  }
  const entries = paths.slice(start, start + 2).map((path) => {
    const content = repo.files[path]!;
    const size = bytesOf(content).length;
    if (!inLfs(repo, path)) return { type: 'file', path, size, oid: gitOidOf(content) };
    const lfs = { oid: sha256Of(content), size, pointerSize: 130 };
    return { type: 'file', path, size, oid: gitOidOf(`pointer to ${lfs.oid}`), lfs };
  });
  sendJson(response, [{ type: 'directory', path: 'folder', size: 0, oid: gitOidOf('') }, ...entries]);
}

function sendBytes(
  request: IncomingMessage,
  response: ServerResponse,
  bytes: Uint8Array,
  fault?: Partial<Fault>,
): void {
  const content = fault?.instead ?? bytes;
  const etag = fault?.etag ?? `"${sha256Of(content).slice(0, 32)}"`;
  response.setHeader('etag', etag);
  response.setHeader('accept-ranges', 'bytes');
  const from = fault?.ignoreRange ? undefined : rangeStart(request, etag);
  if (from !== undefined && from >= content.length) {
    answer(response, 416);
    return;
  }
  const body = content.subarray(from ?? 0);
  response.setHeader('content-length', body.length);
  if (from !== undefined)
    response.setHeader('content-range', `bytes ${from}-${content.length - 1}/${content.length}`);
  response.writeHead(from === undefined ? 200 : 206);
  if (fault?.cutAfter === undefined) response.end(body);
  else response.write(body.subarray(0, fault.cutAfter), () => setTimeout(() => response.destroy(), 150));
}

function rangeStart({ headers }: IncomingMessage, etag: string): number | undefined {
  const range = /^bytes=(\d+)-$/.exec(headers.range ?? '');
  return range && (headers['if-range'] ?? etag) === etag ? Number(range[1]) : undefined;
}

function sendJson(response: ServerResponse, value: unknown, status = 200): void {
  response.statusCode = status;
  response.setHeader('content-type', 'application/json; charset=utf-8');
  response.end(JSON.stringify(value));
}

function answer(response: ServerResponse, status: number, headers: Record<string, string> = {}): void {
  response.writeHead(status, headers);
  response.end();
}
