import { DataError, UsageError } from '../errors.ts';
import {
  type ListOptions,
  missingObject,
  type ObjectStore,
  type StoredObject,
  type StoreOptions,
} from './object-store.ts';
import { readObject } from './s3.ts';
import { type Exchange, exchangeWith, shown } from './store-requests.ts';

const ACCESS_HINT = 'Check the address. Private addresses have to carry their own signature.';

/**
 * Addresses on the web, for reading. The address is a folder, or a text file that lists one object on each line: an address, or a path beside the
 * list. Only a list can be listed. Keys may be whole addresses on the same or another host.
 */
export function webStore(address: string, network: StoreOptions = {}): ObjectStore {
  const root = checkedUrl(address);
  const exchange = exchangeWith(network, ACCESS_HINT);
  /** The lines of the list that have a query, which may be a signature. Keys have none, because they are written into results. */
  const lines = new Map<string, string>();
  const urlOf = (key: string) => checkedUrl(new URL(lines.get(key) ?? key, root).href).href;
  return {
    address: shown(root.href),
    list: (prefix = '', options) => listed(exchange, root, lines, prefix, options),
    async find(key, { signal } = {}) {
      const { status, headers } = await exchange({
        method: 'HEAD',
        url: urlOf(key),
        accept: [200, 404],
        signal,
      });
      const length = headers.get('content-length');
      const tag = headers.get('etag');
      const modified = headers.get('last-modified');
      if (status === 404) return undefined;
      // A weak tag does not promise the same bytes.
      return {
        key,
        ...(length && { size: Number(length) }),
        ...(tag && !tag.startsWith('W/') && { tag }),
        ...(modified && { modified }),
      };
    },
    read: (key, options) => readObject(exchange, urlOf(key), options),
    put: () => Promise.reject(readOnly(root)),
    remove: () => Promise.reject(readOnly(root)),
  };
}

function checkedUrl(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url && /^https?:$/.test(url.protocol) && !url.username && !url.password) return url;
  throw new UsageError(
    `This is not an address of the form https://host/path${url ? `: ${shown(url.href)}` : ''}`,
    {
      code: 'store/address',
      hint: 'Give an address without user and password.',
    },
  );
}

async function* listed(
  exchange: Exchange,
  root: URL,
  lines: Map<string, string>,
  prefix: string,
  { signal, after }: ListOptions = {},
): AsyncGenerator<StoredObject> {
  if (root.pathname.endsWith('/')) {
    throw new DataError(`${shown(root.href)} cannot be listed`, {
      code: 'store/no-list',
      hint: 'Give the address of a text file with one address, or one path beside it, on each line.',
    });
  }
  const text = new TextDecoder().decode(await readObject(exchange, root.href, { signal }));
  const seen = new Map<string, string>();
  let isAfter = after === undefined;
  for (const each of text.split(/\r?\n/)) {
    const line = each.trim();
    if (line === '' || line.startsWith('#')) continue;
    const key = line.replace(/[?#].*$/s, '');
    if ((seen.get(key) ?? line) !== line) throw ambiguous(root, key);
    seen.set(key, line);
    if (key !== line) lines.set(key, line);
    if (isAfter && key.startsWith(prefix)) yield { key };
    if (key === after) isAfter = true;
  }
  if (seen.size === 0) throw missingObject(`address in ${shown(root.href)}`);
}

function ambiguous(root: URL, key: string): DataError {
  return new DataError(`${shown(root.href)} has several lines for ${key}, which differ in their query only`, {
    code: 'store/no-list',
    hint: 'Give each picture an address of its own. A query counts as a signature, not as a part of the name.',
  });
}

function readOnly(root: URL): UsageError {
  return new UsageError(`${shown(root.href)} can only be read`, {
    code: 'store/read-only',
    hint: 'Give a folder or an address of the form s3://bucket/folder/ for results.',
  });
}
