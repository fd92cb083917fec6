import { resolve } from 'node:path';

/** The same place for programs in other folders. */
export function placeOf(path: string): string {
  return /^[a-z][a-z0-9+.-]+:/i.test(path) ? path : resolve(path);
}
