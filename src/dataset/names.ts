import { UsageError } from '../errors.ts';
import { count } from '../words.ts';
import { info, quoted } from './findings.ts';
import { groupBy } from './groups.ts';
import type { Finding } from './types.ts';

/** The folder into which `predict --copy-to` puts pictures that it is not sure of. */
export const UNSURE = 'unsure';

/** Throws `UsageError` for a label that cannot become a class, because folders of pictures have this name for another purpose. */
export function checkNewClass(label: string): void {
  if (label.toLowerCase() !== UNSURE) return;
  throw new UsageError(`A class cannot be named "${label}"`, {
    code: 'add/label',
    hint: 'predict --copy-to puts pictures that it is not sure of into a folder of this name, and fit leaves that folder out. Give another label.',
  });
}

/** Invisible characters, except those that change how scripts and emoji look: joiners, variation selectors, tags of flags. */
const INVISIBLE =
  /(?!\p{Join_Control}|\p{Variation_Selector}|[\u{e0020}-\u{e007f}])\p{Default_Ignorable_Code_Point}/gu;

/**
 * The visible form of a name: in Unicode form NFC, without invisible characters (zero-width space, byte order mark, soft hyphen, marks
 * of writing direction), with plain spaces for all blanks, and without blanks at the ends.
 */
export function visible(text: string): string {
  return text
    .replace(INVISIBLE, '')
    .replace(/[\s\u0085]+/g, ' ')
    .trim()
    .normalize('NFC');
}

/**
 * The key by which class names are compared. It ignores case, `_`, `-`, blanks, invisible characters, Unicode forms (accents, full
 * width), and the way a number is written (1, 01, 1.0, 1,0, 1e0).
 */
export function nameKey(name: string): string {
  const key = name
    .replace(/\p{Default_Ignorable_Code_Point}+/gu, '')
    .normalize('NFKC')
    .toLowerCase()
    .replace(/(?!^-\d)[\s_-]+/g, ' ')
    .trim();
  if (/^\d+([.,]\d+)?e\+?\d+$/.test(key)) {
    const value = Number(key.replace(',', '.'));
    return Number.isSafeInteger(value) ? String(value) : key;
  }
  return /^\d+([.,]0+)?$/.test(key) ? key.replace(/^0+(?=\d)|[.,]0+$/g, '') : key;
}

/**
 * Natural order that is the same on every machine: runs of digits compare as numbers (`class_2` before `class_10`),
 * everything else by lower-cased code units, and ties by the plain code units.
 */
export function naturalOrder(a: string, b: string): number {
  return compare(naturalKey(a), naturalKey(b)) || compare(a, b);
}

/** The items in natural order of their texts. The sort key of each text is computed once. */
export function sortNaturally<T>(items: readonly T[], textOf: (item: T) => string): T[] {
  return items
    .map((item) => {
      const text = textOf(item);
      return { item, text, key: naturalKey(text) };
    })
    .sort((a, b) => compare(a.key, b.key) || compare(a.text, b.text))
    .map(({ item }) => item);
}

/**
 * A sort key whose code units compare in natural order: a number becomes a unit that sorts before all others, the count of its
 * digits, and the digits.
 */
function naturalKey(text: string): string {
  return text
    .normalize('NFC')
    .toLowerCase()
    .replace(/[0-9]+/g, (digits) => {
      const value = digits.replace(/^0+/, '');
      return `\u0000${String.fromCharCode(value.length)}${value}`;
    });
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Reports classes whose name is written in several ways. `pairs` hold a name as written and as read. */
export function spellingFindings(origin: string, pairs: Iterable<readonly [string, string]>): Finding[] {
  const spellings = groupBy(new Map(pairs), ([, read]) => read);
  const several = [...spellings].filter(([read, given]) => read !== '' && given.length > 1);
  if (several.length === 0) return [];
  const names = several.map(([read]) => read);
  const classes = count(names.length, 'class is', 'classes are');
  const message = `${origin}: ${classes} written in several ways that look or mean the same (blanks, invisible characters, accents, 1.0 for 1) and counted as one: ${quoted(names)}`;
  return [info('spellings', message, names)];
}
