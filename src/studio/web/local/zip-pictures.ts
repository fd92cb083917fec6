import { parse } from 'csv-parse/browser/esm/sync';
import { unzipSync } from 'fflate';
import { isHidden, isLeftover } from '../../../dataset/leftovers.ts';
import { DataError } from '../../../errors.ts';
import { isImagePath } from '../../../image/image-paths.ts';
import { count } from '../../../words.ts';
import { checkHolds, type Kept, leftOut } from '../../pictures.ts';
import { problemOf } from '../../status.ts';
import type { StoredPictures } from './stored-pictures.ts';

/** Most bytes of a picture in a zip. */
const MOST_PICTURE = 64 * 2 ** 20;

/**
 * Stores the pictures of a zip, with the classes and groups of its `index.csv` if it has one, as the studio writes it. Throws `DataError` if
 * it is no zip, has another table, which only the program reads, or does not fit into the browser's storage. None of it is stored then.
 */
export async function keepZip(pictures: Pick<StoredPictures, 'keep' | 'settle'>, zip: Blob): Promise<Kept[]> {
  const kept: Kept[] = [];
  try {
    await keepAll(pictures, zip, kept);
    return checkHolds(kept);
  } catch (error) {
    await pictures.settle(kept.flatMap((one) => ('hash' in one ? one.hash : [])));
    throw error;
  }
}

async function keepAll(pictures: Pick<StoredPictures, 'keep'>, zip: Blob, kept: Kept[]): Promise<void> {
  const bytes = new Uint8Array(await zip.arrayBuffer());
  const sizes = new Map<string, number>();
  const unpacked = (wanted: (name: string) => boolean) => {
    try {
      return unzipSync(bytes, { filter: ({ name, originalSize }) => wanted(keepSize(name, originalSize)) });
    } catch (cause) {
      throw new DataError(`The zip cannot be read: ${(cause as Error).message}`, {
        code: 'zip/unreadable',
        hint: 'Make it again, or unpack it and drop the folder.',
        cause,
      });
    }
  };
  /** Files that are unpacked together. A damaged one fails all of them, so there are none then, and each is unpacked alone. */
  const together = (names: ReadonlySet<string>): Record<string, Uint8Array> => {
    try {
      return unpacked((name) => names.has(name));
    } catch {
      return {};
    }
  };
  const keepSize = (name: string, size: number) => {
    sizes.set(name, size);
    return name;
  };
  unpacked(() => false);
  const table = tableIn([...sizes.keys()]);
  const listed =
    table === undefined ? undefined : rowsOf(unpacked((name) => name === table)[table] as Uint8Array);
  const wanted: string[] = [];
  for (const [name, size] of sizes) {
    if (listed ? !listed.has(name) : !isImagePath(name) || isPassedOver(name)) {
      if (!isPassedOver(name)) kept.push(...leftOut(name, listed !== undefined));
    } else if (size > MOST_PICTURE) {
      const message = `It has ${count(size, 'byte')}, which is too large for a picture`;
      kept.push({ name, problem: { code: 'studio/too-large', message } });
    } else wanted.push(name);
  }
  for (const names of stretches(wanted, sizes)) {
    const files = together(names);
    for (const name of names) {
      const row = listed?.get(name);
      const shown = row ? (name.split('/').at(-1) as string) : name;
      try {
        const picture = files[name] ?? (unpacked((other) => other === name)[name] as Uint8Array);
        kept.push({ ...(await pictures.keep(shown, picture)), ...row });
      } catch (error) {
        if (!(error instanceof DataError && error.code.startsWith('zip/'))) throw error;
        kept.push({ name, problem: problemOf(error) });
      }
    }
  }
  for (const path of listed?.keys() ?? [])
    if (!sizes.has(path))
      kept.push({ name: path, problem: { code: 'dataset/unreadable', message: 'It is not in the zip' } });
}

/** Bytes of pictures that are unpacked together, because the directory of the zip is read every time. */
const TOGETHER = 2 ** 25;

/** The names in order, in sets whose files have at most `TOGETHER` bytes, or one file. */
function* stretches(names: readonly string[], sizes: ReadonlyMap<string, number>): Generator<Set<string>> {
  let stretch = new Set<string>();
  let total = 0;
  for (const name of names) {
    const size = sizes.get(name)!;
    if (stretch.size > 0 && total + size > TOGETHER) {
      yield stretch;
      stretch = new Set();
      total = 0;
    }
    stretch.add(name);
    total += size;
  }
  if (stretch.size > 0) yield stretch;
}

const isPassedOver = (path: string) => path.split('/').some((name) => isLeftover(name) || isHidden(name));

/** The table of a zip. Throws if it has one in a form that only the program reads. */
function tableIn(names: readonly string[]): string | undefined {
  const tables = names.filter((name) => TABLE.test(name) && !isPassedOver(name));
  if (tables.every((name) => name === 'index.csv')) return tables[0];
  throw onlyProgram(`its pictures are listed in ${tables.join(' and ')}`);
}

const TABLE = /^([^/]+\/)?(index|metadata)\.(csv|tsv|jsonl|json|parquet)$/i;

/** The rows of `index.csv` by path. */
function rowsOf(bytes: Uint8Array): Map<string, { className: string; group?: string }> {
  const rows: Record<string, string>[] = parse(new TextDecoder().decode(bytes), { columns: true, bom: true });
  const columns = Object.keys(rows[0] ?? {});
  const isOwn = columns.every((name) => ['path', 'label', 'group'].includes(name));
  if (!isOwn || (rows.length > 0 && !(columns.includes('path') && columns.includes('label'))))
    throw onlyProgram(`index.csv has the columns ${columns.join(', ')}`);
  return new Map(
    rows.map(({ path = '', label = '', group }) => [path, { className: label, group: group || undefined }]),
  );
}

function onlyProgram(why: string): DataError {
  return new DataError(`The zip cannot be read in a page: ${why}`, {
    code: 'studio/not-here',
    hint: 'Unpack it and drop the folder with class folders, or use the program: tip-adapter studio.',
  });
}
