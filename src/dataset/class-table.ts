import { DataError } from '../errors.ts';
import { quoted } from './findings.ts';
import { nameKey, visible } from './names.ts';
import { columnOf, decodeText, parseJson, parseTable, type Row, type Table, tableOf } from './text-files.ts';
import type { SourceFile } from './tree.ts';

/** Columns that name the class as the data do. */
const ID_COLUMNS = 'id class label class_id classid label_id index category code wnid name class_name'.split(
  ' ',
);
/** Columns of the shown name. */
const NAME_COLUMNS = 'name class_name label_name category_name title'.split(' ');

/**
 * A table with the columns `id` and `name` (and `prompt_name` and `prompts`, if given), from a file that names classes: CSV with or without
 * a header, JSON (`{"1": "pink primrose"}`, a list of names, a list of objects), or text with one name on each line. `ids` are the classes
 * of the data. Names without ids belong to the classes 0, 1 and so on, or 1, 2 and so on. Throws `DataError` `dataset/column` or
 * `dataset/class-names` if it is not known which class a name belongs to.
 */
export async function readClassTable(file: SourceFile, ids: readonly string[]): Promise<Table> {
  const { path } = file;
  const bytes = await file.read();
  if (/\.json$/i.test(path)) return fromJson(decodeText(bytes, path), path, ids);
  if (/\.(txt|names|lst)$/i.test(path)) return fromLines(decodeText(bytes, path), path, ids);
  return classTable(parseTable(bytes, path), ids);
}

/** The table with its columns called `id` and `name`. A table of two columns without a header has ids and names. */
export function classTable(table: Table, ids: readonly string[]): Table {
  const id = columnOf(table, ID_COLUMNS);
  if (id === undefined) {
    const [first, second, ...more] = [...table.written.values()];
    if (first !== undefined && second !== undefined && more.length === 0 && knows(ids, first)) {
      const [a, b] = table.columns as [string, string];
      const rows = table.rows.map((row) => ({ id: row[a] ?? '', name: row[b] ?? '' }));
      return tableOf(table.name, [{ id: first, name: second }, ...rows]);
    }
    throw new DataError(`${table.name} has no column "id" (it has ${quoted(table.columns)})`, {
      code: 'dataset/column',
      hint: 'The columns are id (the name of the class in the data), name, prompt_name and prompts (separated by |).',
      details: { path: table.name, columns: table.columns },
    });
  }
  const names = NAME_COLUMNS.filter((column) => table.columns.includes(column));
  const name = names.find((column) => column !== id) ?? names[0];
  const rows = table.rows.map((row) => ({ ...row, id: row[id] ?? '', name: (name && row[name]) ?? '' }));
  return { ...table, rows };
}

const knows = (ids: readonly string[], id: string) => ids.some((own) => nameKey(own) === nameKey(id));

function fromJson(text: string, path: string, ids: readonly string[]): Table {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (cause) {
    throw unusable(path, `it is not JSON (${(cause as Error).message})`, cause);
  }
  const inner = isObject(value)
    ? (value.classes ?? value.names ?? value.labels ?? value.id2label)
    : undefined;
  const all = typeof inner === 'object' && inner !== null ? inner : value;
  if (Array.isArray(all) && all.every((one) => typeof one === 'string')) return inOrder(all, path, ids);
  const rows = Array.isArray(all) ? all : isObject(all) ? Object.entries(all).map(rowOf) : [];
  if (rows.length === 0 || !rows.every(isObject)) throw unusable(path, 'it holds no names of classes');
  const texts = rows.map(
    (row): Row =>
      Object.fromEntries(
        Object.entries(row).map(([key, own]) => [key.toLowerCase(), [own].flat().map(String).join('|')]),
      ),
  );
  const columns = [...new Set(texts.flatMap((row) => Object.keys(row)))];
  return classTable(
    { name: path, columns, written: new Map(columns.map((one) => [one, one])), rows: texts },
    ids,
  );
}

/** An entry by its id: a name, a list that ends with the name (`["n01440764", "tench"]`), or an object. */
function rowOf([id, value]: [string, unknown]): unknown {
  if (isObject(value)) return { ...value, id };
  // Keras writes numbers by name: {"cat": 0}.
  if (typeof value === 'number') return { id: String(value), name: id };
  return { id, name: Array.isArray(value) ? value.at(-1) : value };
}

/** One name on each line, alone or after the id of the class: `n01440764 tench`. */
function fromLines(text: string, path: string, ids: readonly string[]): Table {
  const lines = text
    .split(/\r\n|\r|\n/)
    .map(visible)
    .filter((line) => line !== '');
  const rows = lines.map((line) => {
    const [, id = '', name = ''] = /^(\S+?)[\s,:;]+(.+)$/.exec(line) ?? [];
    return { id, name };
  });
  return rows.every(({ id }) => id !== '' && knows(ids, id))
    ? tableOf(path, rows)
    : inOrder(lines, path, ids);
}

/** Names in the order of numbered classes. If names are the ids of the classes themselves, they are kept. */
function inOrder(names: readonly string[], path: string, ids: readonly string[]): Table {
  if (names.some((name) => knows(ids, name)) || names.length === 0)
    return tableOf(
      path,
      names.map((name) => ({ id: name, name })),
    );
  const numbers = ids.map((id) => (/^\d+$/.test(id) ? Number(id) : Number.NaN));
  const [least, most] = [Math.min(...numbers), Math.max(...numbers)];
  const start = least === 1 && most === names.length ? 1 : 0;
  // Number 0 may have no picture, but only a class 0 proves that counting begins there.
  const isKnown = start === 1 || least === 0 || most === names.length - 1;
  if (!isKnown || !(most < names.length + start)) {
    throw unusable(
      path,
      `it is not known which of its ${names.length} names belongs to which class (${quoted(ids)})`,
    );
  }
  return tableOf(
    path,
    names.map((name, i) => ({ id: String(i + start), name })),
  );
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function unusable(path: string, why: string, cause?: unknown): DataError {
  return new DataError(`${path} does not name the classes: ${why}`, {
    code: 'dataset/class-names',
    hint: 'Write a CSV table with the columns id (the name of the class in the data) and name, or JSON such as {"1": "pink primrose"}.',
    details: { path },
    cause,
  });
}
