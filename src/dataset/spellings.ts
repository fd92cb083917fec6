import { count } from '../words.ts';
import { info, quoted } from './findings.ts';
import { groupBy } from './groups.ts';
import type { Finding } from './types.ts';

/** Says that names which are one class are written in several ways; `pairs` are of the name as it is written and as it is read. */
export function spellingFindings(origin: string, pairs: Iterable<readonly [string, string]>): Finding[] {
  const spellings = groupBy(new Map(pairs), ([, read]) => read);
  const several = [...spellings].filter(([read, given]) => read !== '' && given.length > 1);
  if (several.length === 0) return [];
  const names = several.map(([read]) => read);
  const classes = count(names.length, 'class is', 'classes are');
  const message = `${origin}: ${classes} written in several ways that look or mean the same (blanks, invisible characters, accents, 1.0 for 1) and counted as one: ${quoted(names)}`;
  return [info('spellings', message, names)];
}
