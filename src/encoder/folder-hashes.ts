import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { endingAll } from '../abort.ts';
import { ModelError } from '../errors.ts';
import { writeFileAtomic } from '../store/atomic.ts';
import { hashedFile, isLarge } from '../store/hash-thread.ts';
import { homeFolder } from '../store/home.ts';
import { readRegularText, unlessMissing } from '../store/regular.ts';
import { isJson } from './fields.ts';
import type { RecordedFile } from './record.ts';

/** A known file: its size and the times of its last change, and its sha256. */
type Known = Readonly<Record<string, readonly [stamp: string, sha256: string]>>;

const NONE = { size: -1, mtimeMs: 0, ctimeMs: 0, ino: 0 };

/** Files that are remembered, the latest ones. */
const MOST = 500;

/** Files of a folder whose hashes may still be computed. */
export interface Hashing {
  /** Paths inside the folder, with `/`, and sizes. */
  readonly sizes: readonly Pick<RecordedFile, 'path' | 'bytes'>[];
  /** Paths of the large files whose hashes are not known yet. */
  readonly late: readonly string[];
  /** The file of a path with its hash. */
  of(path: string): Promise<RecordedFile>;
  readonly files: Promise<readonly RecordedFile[]>;
}

/** Files whose hashes are known. */
export function alreadyHashed(files: readonly RecordedFile[]): Hashing {
  const of = async (path: string) => files.find((file) => file.path === path)!;
  return { sizes: files, late: [], of, files: Promise.resolve(files) };
}

/**
 * Begins to hash files in a folder outside of the home, large ones in threads. A file is hashed once and later recognised by its size and the
 * times of its last change, as an installed encoder's files are. Throws as `hashedFile`.
 *
 * @param paths paths inside the folder, with `/`
 */
export async function hashing(
  folder: string,
  paths: readonly string[],
  signal?: AbortSignal,
): Promise<Hashing> {
  const known = await knownHashes();
  const stamped = await Promise.all(
    paths.map(async (path) => {
      const file = resolve(folder, path);
      // `checkFile` refuses a missing file.
      const { size, mtimeMs, ctimeMs, ino } = (await stat(file).catch(unlessMissing)) ?? NONE;
      const stamp = `${size} ${mtimeMs} ${ctimeMs} ${ino}`;
      const [before, hash] = known[file] ?? [];
      return { path, file, size, stamp, hash: before === stamp ? hash : undefined };
    }),
  );
  const fresh: Record<string, Known[string]> = {};
  const hashed = stamped.map(async ({ path, file, size, stamp, hash }): Promise<RecordedFile> => {
    if (hash !== undefined) return { path, bytes: size, sha256: hash };
    const checked = await hashedFile(file, size, signal);
    fresh[file] = [stamp, checked.sha256];
    return { path, bytes: checked.size, sha256: checked.sha256 };
  });
  const files = Promise.all(hashed).then(async (all) => {
    if (Object.keys(fresh).length > 0) await remember(fresh);
    return all;
  });
  // The caller may fail before it waits for the hashes.
  files.catch(() => {});
  return {
    sizes: stamped.map(({ path, size }) => ({ path, bytes: size })),
    late: stamped.flatMap(({ path, size, hash }) => (hash === undefined && isLarge(size) ? [path] : [])),
    of: (path) => hashed[paths.indexOf(path)]!,
    files,
  };
}

/** Sizes and hashes of files in a folder, as `hashing` computes them. */
export async function hashedFiles(
  folder: string,
  paths: readonly string[],
  signal?: AbortSignal,
): Promise<readonly RecordedFile[]> {
  return endingAll(signal, async (own) => (await hashing(folder, paths, own)).files);
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
  await remember({ [name]: ['', hash] });
  return hash;
}

const tablePath = () => join(homeFolder('encoders'), '.folder-hashes.json');

function knownHashes(): Promise<Known> {
  return readRegularText(tablePath(), { area: 'encoder' }).then(parsed, () => ({}));
}

/** The last change of the table. Changes of this process wait for each other, so that none is lost. */
let writing = Promise.resolve();

/** If the home cannot be written, the hashes are computed again next time. */
function remember(fresh: Known): Promise<void> {
  writing = writing.then(async () => {
    const kept = Object.entries({ ...(await knownHashes()), ...fresh }).slice(-MOST);
    await writeFileAtomic(tablePath(), JSON.stringify(Object.fromEntries(kept))).catch(() => {});
  });
  return writing;
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
