import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UsageError } from '../errors.ts';
import { type Downloaded, download, type Progress } from './download.ts';
import { homeFolder } from './home.ts';
import type { NetworkOptions } from './network.ts';

/** The source of an encoder's files. */
export type Source =
  | { kind: 'hub'; repo: string; revision?: string }
  | { kind: 'npm'; name: string; version: string }
  | { kind: 'https'; url: string; sha256: string }
  | { kind: 'folder'; path: string };

const FORMS = 'hf:owner/repo[@revision], npm:name@version, https://…#sha256=…, or the path of a folder';

/**
 * Reads `hf:owner/repo[@revision]`, `npm:name@version`, `https://…#sha256=<hex>` or a folder's path (made absolute).
 * Throws `UsageError` `source/…` for a malformed source, an unknown scheme, and a URL without a sha256.
 */
export function parseSource(text: string): Source {
  const scheme = /^([a-z][a-z0-9+]+):/i.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) return { kind: 'folder', path: resolve(text) };
  const rest = text.slice(scheme.length + 1);
  if (scheme === 'hf') return parseHub(text, rest);
  if (scheme === 'npm') return parseNpm(text, rest);
  if (scheme === 'https' || scheme === 'http') return parseUrl(text);
  if (scheme === 'file') return { kind: 'folder', path: fileURLToPath(text) };
  throw malformed(text, `"${scheme}:" is not a known kind of source`);
}

/** The text of a source, which `parseSource` parses to the same source. */
export function formatSource(source: Source): string {
  switch (source.kind) {
    case 'hub':
      return `hf:${source.repo}${source.revision === undefined ? '' : `@${source.revision}`}`;
    case 'npm':
      return `npm:${source.name}@${source.version}`;
    case 'https':
      return `${source.url}#sha256=${source.sha256}`;
    case 'folder':
      return source.path;
  }
}

/** `owner/name` of a hub repository; the oldest ones have no owner. */
const REPO = /^[\w][\w.-]*(?:\/[\w][\w.-]*)?$/;
const REVISION = /^[\w][\w./-]*$/;

function parseHub(text: string, rest: string): Source {
  const [, repo = '', revision] = /^([^@]*)(?:@(.*))?$/s.exec(rest) ?? [];
  if (!REPO.test(repo)) throw malformed(text, `"${repo}" is not the name of a hub repository`);
  if (revision !== undefined && (!REVISION.test(revision) || revision.includes('..'))) {
    throw malformed(text, `"${revision}" is not a revision`);
  }
  return { kind: 'hub', repo, revision };
}

function parseNpm(text: string, rest: string): Source {
  const [, name, version] =
    /^((?:@[a-z0-9~][\w.~-]*\/)?[a-z0-9~][\w.~-]*)@(\d+\.\d+\.\d+[\w.+-]*)$/i.exec(rest) ?? [];
  if (name === undefined || version === undefined)
    throw malformed(text, 'a package needs a name and an exact version');
  return { kind: 'npm', name, version };
}

function parseUrl(text: string): Source {
  if (!URL.canParse(text)) throw malformed(text, 'it is not a valid URL');
  const url = new URL(text);
  const sha256 = /^#sha256=([0-9a-f]{64})$/i.exec(url.hash)?.[1]?.toLowerCase();
  if (sha256 === undefined) {
    throw new UsageError(`${text} does not give the sha256 of the file`, {
      code: 'source/no-sha256',
      hint: 'Append #sha256= and the 64 hex digits that sha256sum prints for the file.',
      details: { source: text },
    });
  }
  url.hash = '';
  return { kind: 'https', url: url.href, sha256 };
}

function malformed(text: string, what: string): UsageError {
  return new UsageError(`Cannot read the source "${text}": ${what}`, {
    code: 'source/malformed',
    hint: `A source is ${FORMS}.`,
    details: { source: text },
  });
}

/** Options of fetching from any source: a signal, progress, and a replacement for fetch. */
export interface FetchOptions extends NetworkOptions {
  onProgress?: (progress: Progress) => void;
}

/** Downloads the file of an `https:` source into the downloads folder, named by its sha256. A file that exists is not downloaded again. */
export function fetchUrl(
  { url, sha256 }: { url: string; sha256: string },
  options: FetchOptions = {},
): Promise<Downloaded> {
  const accessHint = 'Give a URL that can be read without logging in.';
  return download({ ...options, url, sha256, accessHint, path: join(homeFolder('downloads'), sha256) });
}
