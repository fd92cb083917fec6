import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ModelError } from '../errors.ts';
import { writeFileAtomic } from '../store/atomic.ts';
import { checkFile } from '../store/checksum.ts';
import { homeFolder } from '../store/home.ts';
import { readRegularText, unlessMissing } from '../store/regular.ts';
import { isJson } from './fields.ts';
import type { RecordedFile } from './record.ts';

/** A known file: its size and the times of its last change, and its sha256. */
type Known = Readonly<Record<string, readonly [stamp: string, sha256: string]>>;

const NONE = { size: -1, mtimeMs: 0, ctimeMs: 0, ino: 0 };

/** Files that are remembered, the latest ones. */
const MOST = 500;

/**
 * Sizes and hashes of files in a folder outside of the home. A file is hashed once and later recognised by its size and the times of its
 * last change, as an installed encoder's files are; 605 MB take a second. Throws as `checkFile`.
 *
 * @param paths paths inside the folder, with `/`
 */
export async function hashedFiles(
  folder: string,
  paths: readonly string[],
  signal?: AbortSignal,
): Promise<RecordedFile[]> {
  const known = await knownHashes();
  const fresh: Record<string, Known[string]> = {};
  const files = await Promise.all(
    paths.map(async (path): Promise<RecordedFile> => {
      const file = resolve(folder, path);
      // `checkFile` refuses a missing file.
      const { size, mtimeMs, ctimeMs, ino } = (await stat(file).catch(unlessMissing)) ?? NONE;
      const stamp = `${size} ${mtimeMs} ${ctimeMs} ${ino}`;
      const [before, hash] = known[file] ?? [];
      if (before === stamp && hash !== undefined) return { path, bytes: size, sha256: hash };
      const checked = await checkFile(file, {}, signal);
      fresh[file] = [stamp, checked.sha256];
      return { path, bytes: checked.size, sha256: checked.sha256 };
    }),
  );
  if (Object.keys(fresh).length > 0) await remember(known, fresh);
  return files;
}

/** Throws `ModelError` `encoder/changed` if a file of a folder has another hash by now, and as `checkFile`. */
export async function refuseChanged(folder: string, files: readonly RecordedFile[]): Promise<void> {
  const paths = files.map(({ path }) => path);
  for (const [i, { sha256 }] of (await hashedFiles(folder, paths)).entries()) {
    if (sha256 === files[i]!.sha256) continue;
    const path = join(folder, paths[i]!);
    throw new ModelError(`${path} was changed while it was read`, {
      code: 'encoder/changed',
      hint: 'Run the same command again when nothing writes to the folder any more.',
      details: { path },
    });
  }
}

/** A hash that depends on nothing but its name, which is computed once. */
export async function rememberedHash(name: string, compute: () => Promise<string>): Promise<string> {
  const [, known] = (await knownHashes())[name] ?? [];
  if (known !== undefined) return known;
  const hash = await compute();
  await remember(await knownHashes(), { [name]: ['', hash] });
  return hash;
}

const tablePath = () => join(homeFolder('encoders'), '.folder-hashes.json');

function knownHashes(): Promise<Known> {
  return readRegularText(tablePath(), { area: 'encoder' }).then(parsed, () => ({}));
}

/** If the home cannot be written, the hashes are computed again next time. */
async function remember(known: Known, fresh: Known): Promise<void> {
  const kept = Object.entries({ ...known, ...fresh }).slice(-MOST);
  await writeFileAtomic(tablePath(), JSON.stringify(Object.fromEntries(kept))).catch(() => {});
}

/** The entries of a table that have the right form. */
function parsed(text: string): Known {
  try {
    const table: unknown = JSON.parse(text);
    const entries = Object.entries(isJson(table) ? table : {}) as [string, Known[string]][];
    return Object.fromEntries(
      entries.filter(([, entry]) => Array.isArray(entry) && /^[0-9a-f]{64}$/.test(String(entry[1]))),
    );
  } catch {
    return {};
  }
}
