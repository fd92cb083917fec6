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
  const urlOf = (key: string) => checkedUrl(new URL(key, root).href).href;
  return {
    address: shown(root.href),
    list: (prefix = '', options) => listed(exchange, root, prefix, options),
    async find(key, { signal } = {}) {
      const { status, headers } = await exchange({
        method: 'HEAD',
        url: urlOf(key),
        accept: [200, 404],
        signal,
      });
      const length = headers.get('content-length');
      const tag = headers.get('etag');
      if (status === 404) return undefined;
      // A weak tag does not promise the same bytes.
      return {
        key,
        ...(length && { size: Number(length) }),
        ...(tag && !tag.startsWith('W/') && { tag }),
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
  let any = false;
  let isAfter = after === undefined;
  for (const line of text.split(/\r?\n/)) {
    const key = line.trim();
    if (key === '' || key.startsWith('#')) continue;
    any = true;
    if (isAfter && key.startsWith(prefix)) yield { key };
    if (key === after) isAfter = true;
  }
  if (!any) throw missingObject(`address in ${shown(root.href)}`);
}

function readOnly(root: URL): UsageError {
  return new UsageError(`${shown(root.href)} can only be read`, {
    code: 'store/read-only',
    hint: 'Give a folder or an address of the form s3://bucket/folder/ for results.',
  });
}
