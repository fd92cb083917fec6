import { resolve } from 'node:path';
import type { Abortable } from '../abort.ts';
import { DataError, ModelError } from '../errors.ts';
import { isHubData } from '../store/store-address.ts';

/** The same place for programs in other folders. */
export function placeOf(path: string): string {
  return /^[a-z][a-z0-9+.-]+:/i.test(path) ? path : resolve(path);
}

/**
 * The same data for programs in other folders and on other machines, where a branch of the hub may be known by another commit. Later reads on
 * this machine take the same commit. The address stays as it is if the hub does not give the data set.
 */
export async function sourcePlace(source: string, { signal }: Abortable = {}): Promise<string> {
  if (!isHubData(source)) return placeOf(source);
  const { pinnedHubData } = await import('../dataset/hub-data.ts');
  return pinnedHubData(source, { signal }).catch((error) => {
    if (error instanceof DataError || error instanceof ModelError) return source;
    throw error;
  });
}
