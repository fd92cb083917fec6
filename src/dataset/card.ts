import { DataError } from '../errors.ts';
import type { Labelled } from './dataset-layout.ts';
import { quoted } from './findings.ts';
import { decodeText, type Table, tableOf } from './text-files.ts';
import type { SourceFile } from './tree.ts';

/** A Hugging Face data set card, in any case. */
export const CARD_NAME = 'readme.md';

/** The card that may name classes. Undefined if the classes have names already. */
export function cardOf(
  { classIds }: Pick<Labelled, 'classIds'>,
  card: SourceFile | undefined,
): SourceFile | undefined {
  return classIds.every((id) => /^\d+$/.test(id)) ? card : undefined;
}

/** The names of a label column: `class_label` in the card's YAML. */
interface Feature {
  /** The column. Undefined if the card does not name it. */
  name?: string;
  names: string[][];
}

/**
 * The names that a Hugging Face data set card (README.md) gives to the integers of a label column: the `class_label` in the YAML before its
 * text. Undefined if it has none. Throws `DataError` `dataset/card` if the YAML is damaged, or if it names the values of several columns in
 * different ways and none of these columns is `column`.
 */
export async function classNamesOfCard(card: SourceFile, column?: string): Promise<Table | undefined> {
  const features = featuresIn(await yamlOf(card, 'class_label'));
  const own = features.find(({ name }) => name !== undefined && name === column);
  const [first, ...others] = features;
  if (!first) return undefined;
  if (!own && others.some(({ names }) => JSON.stringify(names) !== JSON.stringify(first.names))) {
    const columns = features.map(({ name }) => name ?? '(without a name)');
    throw refusal(
      card.path,
      `names the classes of several columns, ${quoted(columns)}, and the labels are of none of these`,
    );
  }
  return tableOf(
    card.path,
    (own ?? first).names.map(([id = '', name = '']) => ({ id, name })),
  );
}

/** Whether a card says that the names of the folders are not labels (`drop_labels: true`). */
export async function dropsLabels(card: SourceFile): Promise<boolean> {
  const configs = entriesOf(await yamlOf(card, 'drop_labels')).find(([key]) => key === 'configs')?.[1];
  const all = Array.isArray(configs) ? configs : [configs];
  return all.some((config) =>
    entriesOf(config).some(([key, value]) => key === 'drop_labels' && value === 'true'),
  );
}

/** A configuration in a card, with the patterns of its files by split. */
export interface CardConfig {
  name: string;
  files: readonly { split: string; pattern: string }[];
}

/** The configurations of a data set that its card lists. Throws `DataError` `dataset/card` if the YAML is damaged. */
export async function configsOfCard(card: SourceFile): Promise<CardConfig[]> {
  const configs = entriesOf(await yamlOf(card, 'data_files')).find(([key]) => key === 'configs')?.[1];
  return entriesOf(configs).flatMap(([, config]) => {
    const own = new Map(entriesOf(config));
    const files = entriesOf(own.get('data_files')).flatMap(([, entry]) => {
      const { split, path } = Object.fromEntries(entriesOf(entry));
      return [path].flat().map((pattern) => ({ split: String(split), pattern: String(pattern) }));
    });
    return files.length > 0 ? [{ name: String(own.get('config_name') ?? 'default'), files }] : [];
  });
}

/** The YAML before a card's text, with all its scalars as texts. Undefined if it does not contain `word`. */
async function yamlOf(card: SourceFile, word: string): Promise<unknown> {
  const [, yaml = ''] = /^---\r?\n([\s\S]*?)\r?\n---/.exec(decodeText(await card.read(), card.path)) ?? [];
  if (!yaml.includes(word)) return undefined;
  const { parseDocument } = await import('yaml');
  const document = parseDocument(yaml, { schema: 'failsafe' });
  const [error] = document.errors;
  if (error) throw refusal(card.path, `cannot be read: ${error.message.split('\n')[0]}`, error);
  return document.toJS();
}

/** All `class_label` in the YAML of a card, each with the name beside it or around it. */
function featuresIn(value: unknown, name?: string): Feature[] {
  if (Array.isArray(value)) return value.flatMap((one) => featuresIn(one, name));
  const entries = entriesOf(value);
  const title = entries.find(([key, own]) => key === 'name' && typeof own === 'string')?.[1];
  const own = typeof title === 'string' ? title : name;
  return entries.flatMap(([key, inner]) => {
    if (key !== 'class_label') return featuresIn(inner, own);
    const names = entriesOf(inner).find(([word]) => word === 'names')?.[1];
    return [{ name: own, names: entriesOf(names).map(([id, text]) => [id, String(text)]) }];
  });
}

/** Keys and values of an object. The keys of a list are its positions. */
function entriesOf(value: unknown): [string, unknown][] {
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
}

function refusal(path: string, what: string, cause?: unknown): DataError {
  return new DataError(`The data set card ${path} ${what}`, {
    code: 'dataset/card',
    hint: 'Correct the YAML before its text, or name the classes in a classes.csv with the columns id,name.',
    details: { path },
    cause,
  });
}
