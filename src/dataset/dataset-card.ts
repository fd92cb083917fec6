import { DataError } from '../errors.ts';
import type { Labelled } from './dataset-layout.ts';
import { decodeText, type Table, tableOf } from './text-files.ts';
import type { SourceFile } from './tree.ts';

export const CARD_NAME = 'readme.md';

/** The card that may name classes: none where they have names already. */
export function cardOf(
  { classIds }: Pick<Labelled, 'classIds'>,
  card: SourceFile | undefined,
): SourceFile | undefined {
  return classIds.every((id) => /^\d+$/.test(id)) ? card : undefined;
}

/**
 * The names of classes that a Hugging Face data set card (README.md) gives the integers of its label column: the `class_label` in the
 * YAML before its text. Undefined where it has none.
 */
export async function classNamesOfCard(card: SourceFile): Promise<Table | undefined> {
  const text = decodeText(await card.read(), card.path);
  const [, yaml = ''] = /^---\r?\n([\s\S]*?)\r?\n---/.exec(text) ?? [];
  const [, names = ''] =
    /^[ \t]*class_label:[ \t]*\r?\n[ \t]*names:[ \t]*\r?\n((?:[ \t]+['"]?\d+['"]?:.*(?:\r?\n|$))+)/m.exec(
      yaml,
    ) ?? [];
  const rows = [...names.matchAll(/^[ \t]+['"]?(\d+)['"]?:[ \t]*(.*?)[ \t]*\r?$/gm)].map(
    ([, id = '', name = '']) => ({
      id,
      name: unquoted(name, card.path),
    }),
  );
  return rows.length > 0 ? tableOf(card.path, rows) : undefined;
}

/** A YAML text on one line, plain or in quotes. */
function unquoted(text: string, path: string): string {
  if (text.startsWith("'")) return text.slice(1, -1).replaceAll("''", "'");
  if (!text.startsWith('"')) return text;
  try {
    return String(JSON.parse(text));
  } catch (cause) {
    throw new DataError(`${path} gives a class the name ${text}, which is not a text in quotes`, {
      code: 'dataset/card',
      hint: 'Correct the name, or write it without quotes.',
      details: { path },
      cause,
    });
  }
}
