import { isImagePath } from '../image/image-paths.ts';
import { nearestName } from '../nearest.ts';
import { count } from '../words.ts';
import type { Finding } from './types.ts';

export function info(code: string, message: string, paths?: string[]): Finding {
  return { level: 'info', code: `dataset/${code}`, message, ...(paths && { paths }) };
}

export function warning(code: string, message: string, paths?: string[]): Finding {
  return { ...info(code, message, paths), level: 'warning' };
}

/** Up to six names in quotes, then the number of the others. */
export function quoted(names: readonly string[]): string {
  const shown = names.slice(0, 6).map((name) => `"${name}"`);
  return names.length > 6 ? `${shown.join(', ')} and ${names.length - 6} more` : shown.join(', ');
}

/** The number of these paths in words: `3 pictures`, or `3 files and folders` if some are not pictures. */
export function countUnread(paths: readonly string[]): string {
  return paths.every(isImagePath)
    ? count(paths.length, 'picture')
    : count(paths.length, 'file or folder', 'files and folders');
}

/** ` (did you mean "dog"?)` if a known name differs by a likely typing error, else ''. */
export function didYouMean(unknown: string, known: readonly string[]): string {
  const guess = nearestName(unknown, known);
  return guess === undefined ? '' : ` (did you mean "${guess}"?)`;
}
