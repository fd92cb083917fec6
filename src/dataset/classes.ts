import { count } from '../words.ts';
import { didYouMean, info, quoted, warning } from './findings.ts';
import { groupBy } from './groups.ts';
import { nameKey, sortNaturally, visible } from './names.ts';
import type { Row, Table } from './text-files.ts';
import type { ClassInfo, Finding } from './types.ts';

/** Name of the file beside the pictures that names classes. Upper and lower case are the same. */
export const CLASSES_NAME = 'classes.csv';

const PROMPT_NAME_COLUMNS = ['prompt_name', 'prompt'];

/**
 * Classes in natural order of their ids. A class's name is its id with spaces for `_`, and its prompt name is its name. A table
 * (columns id, name, prompt_name, and prompts separated by `|`) can give others.
 */
export function describeClasses(
  ids: readonly string[],
  table?: Table,
): { classes: ClassInfo[]; findings: Finding[] } {
  const unique = sortNaturally([...new Set([...new Set(ids)].map((id) => visible(id) || id))], (id) => id);
  const { described, findings } = table ? matchRows(table, unique) : { described: new Map(), findings: [] };
  const classes = unique.map((id) => {
    const values: Row = described.get(id) ?? {};
    const name = visible(values.name ?? '') || id.replaceAll('_', ' ').trim() || id;
    const promptName =
      PROMPT_NAME_COLUMNS.map((column) => visible(values[column] ?? '')).find(Boolean) ?? name;
    const prompts = (values.prompts ?? '').split('|').map((prompt) => prompt.trim());
    return { id, name, promptName, prompts: prompts.filter((prompt) => prompt !== '') };
  });
  return { classes, findings: [...findings, ...nameFindings(classes)] };
}

/** The rows of a table by their class, which the column `id` names. */
function matchRows(table: Table, ids: string[]) {
  const described = new Map<string, Row>();
  const unknown: string[] = [];
  const repeated: string[] = [];
  const exact = new Set(ids);
  const byKey = groupBy(ids, nameKey);
  for (const values of table.rows) {
    const given = visible(values.id ?? '');
    if (given === '') continue;
    const alike = byKey.get(nameKey(given)) ?? [];
    const id = exact.has(given) ? given : alike.length === 1 ? alike[0] : undefined;
    if (id === undefined) unknown.push(given);
    else if (described.has(id)) repeated.push(id);
    else described.set(id, values);
  }
  const findings: Finding[] = [];
  if (unknown.length > 0) {
    const names = count(unknown.length, 'class that is', 'classes that are');
    const shown = unknown.slice(0, SHOWN).map((given) => `"${given}"${didYouMean(given, ids)}`);
    const more = unknown.length > SHOWN ? ` and ${unknown.length - SHOWN} more` : '';
    const message = `${table.name} names ${names} not in the data: ${shown.join(', ')}${more}`;
    findings.push(warning('unknown-class', message, unknown));
  }
  if (repeated.length > 0) {
    findings.push(
      warning(
        'repeated-class',
        `${table.name} has more than one row for ${quoted(repeated)}; the first row of each is used.`,
      ),
    );
  }
  return { described, findings };
}

/** Number of unknown names for which a similar known name is suggested. */
const SHOWN = 6;

/** Warns of names that a text encoder cannot read, and of names that look or mean the same. */
function nameFindings(classes: ClassInfo[]): Finding[] {
  const findings: Finding[] = [];
  const codes = classes.filter(hasCode);
  if (codes.length > 0) {
    findings.push(
      warning(
        'codes',
        `${count(codes.length, 'class is', 'classes are')} named by a code, which a text encoder does not understand: ${quoted(codes.map(({ id }) => id))}. Give their names in a classes.csv with the columns id,name.`,
      ),
    );
  }
  const foreign = classes.filter(({ promptName, prompts }) => prompts.length === 0 && isNotLatin(promptName));
  if (foreign.length > 0) {
    findings.push(
      info(
        'other-script',
        `${count(foreign.length, 'class name is', 'class names are')} not in Latin letters, and most text encoders know English only: ${quoted(foreign.map(({ id }) => id))}. Give English names in the column prompt_name of a classes.csv.`,
      ),
    );
  }
  for (const alike of groupBy(classes, ({ name }) => nameKey(name)).values()) {
    if (alike.length < 2) continue;
    const names = quoted(alike.map(({ id }) => id));
    const message = `${names} differ only in case, blanks, Unicode forms or the form of a number, and are kept as different classes.`;
    findings.push(warning('alike-classes', message));
  }
  return findings;
}

/** Whether the text encoder gets a code instead of the name of a class. */
export function hasCode({ promptName, prompts }: ClassInfo): boolean {
  return prompts.length === 0 && isCode(promptName);
}

/** WordNet ids, numbers, `class_7`. */
function isCode(name: string): boolean {
  return /^(n\d{6,}|\d+([.,]\d+)?|(class|cls|label|category|cat|id|c)[\s_-]*\d+)$/i.test(name.trim());
}

function isNotLatin(name: string): boolean {
  return /\p{L}/u.test(name) && !/\p{Script=Latin}/u.test(name);
}

/** The classes that two data sets have in common. */
export interface ClassMatching {
  /** For each class of `a`, the index of its class in `b`, or -1. */
  toB: number[];
  /** For each class of `b`, the index of its class in `a`, or -1. */
  toA: number[];
  /** Indices of the classes of `a` without a match. */
  unmatchedA: number[];
  /** Indices of the classes of `b` without a match. */
  unmatchedB: number[];
}

type Keys = (info: ClassInfo) => string;
const exactId: Keys = ({ id }) => id.normalize('NFC');
const idKey: Keys = ({ id }) => nameKey(id);
const shownKey: Keys = ({ name }) => nameKey(name);

/** Ways of matching, from the most to the least certain: the text of a class of `a` and of a class of `b` that must agree. */
const PASSES: [Keys, Keys][][] = [
  [[exactId, exactId]],
  [[idKey, idKey]],
  [[shownKey, shownKey]],
  [
    [idKey, shownKey],
    [shownKey, idKey],
  ],
];

/**
 * Returns which classes of `a` and `b` are the same, by id and name, never by position. Equal ids come first. A class that could be
 * several classes of the other list stays unmatched. Swapping `a` and `b` swaps the answer.
 */
export function matchClasses(a: readonly ClassInfo[], b: readonly ClassInfo[]): ClassMatching {
  const toB = a.map(() => -1);
  const toA = b.map(() => -1);
  for (const pass of PASSES) {
    for (const [i, j] of certainPairs(a, b, toB, toA, pass)) {
      toB[i] = j;
      toA[j] = i;
    }
  }
  const unmatched = (to: number[]) => to.flatMap((other, i) => (other < 0 ? [i] : []));
  return { toB, toA, unmatchedA: unmatched(toB), unmatchedB: unmatched(toA) };
}

/** Pairs of unmatched classes that agree with each other and with no third class. */
function certainPairs(
  a: readonly ClassInfo[],
  b: readonly ClassInfo[],
  toB: number[],
  toA: number[],
  pass: [Keys, Keys][],
): [number, number][] {
  const partnersOfA = a.map(() => new Set<number>());
  const partnersOfB = b.map(() => new Set<number>());
  for (const [keyOfA, keyOfB] of pass) {
    const open = toA.flatMap((other, j) => (other < 0 ? [j] : []));
    const byKey = groupBy(open, (j) => keyOfB(b[j]!));
    for (const [i, info] of a.entries()) {
      if (toB[i]! >= 0) continue;
      for (const j of byKey.get(keyOfA(info)) ?? []) {
        partnersOfA[i]!.add(j);
        partnersOfB[j]!.add(i);
      }
    }
  }
  return partnersOfA.flatMap((partners, i): [number, number][] => {
    const [j] = partners;
    return j !== undefined && partners.size === 1 && partnersOfB[j]!.size === 1 ? [[i, j]] : [];
  });
}
