import { join } from 'node:path';
import { UsageError } from '../errors.ts';
import { folderStore } from './folder-store.ts';
import type { ObjectStore, StoreOptions } from './object-store.ts';
import { s3Store } from './s3.ts';
import { isStoreAddress } from './store-address.ts';
import { webStore } from './web-store.ts';

/** The path or address of an object of a folder or store, for messages. */
export function pathIn(folder: string, key: string): string {
  return isStoreAddress(folder) ? `${folder.replace(/\/$/, '')}/${key}` : join(folder, key);
}

/**
 * The store at an address: a folder, `s3://bucket/prefix`, or `https://` for reading. Nothing is asked of a server before the first call.
 * Throws `UsageError` `store/address` or `store/credentials`.
 */
export function openStore(address: string, options: StoreOptions = {}): ObjectStore {
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(address)?.[1]?.toLowerCase();
  if (scheme === undefined) return folderStore(address);
  if (scheme === 's3') return s3Store(address, options);
  if (scheme === 'https' || scheme === 'http') return webStore(address, options);
  throw new UsageError(`Addresses of the form ${scheme}:// are not supported`, {
    code: 'store/address',
    hint: 'Give a folder, s3://bucket/folder/ or https://host/list.txt.',
  });
}
