import { existsSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { UsageError } from '../errors.ts';
import { parseJson } from '../json.ts';
import { readRegularText } from '../store/regular.ts';

/** The name of a config file. */
const CONFIG_FILE = 'tip-adapter.json';

/** A config that was found. */
export interface ConfigFile {
  /** Its name in messages: `../tip-adapter.json`, `the field "tip-adapter" of package.json`. */
  readonly shown: string;
  /** The folder that its paths are relative to. */
  readonly folder: string;
  readonly value: unknown;
}

/**
 * The config for a folder: the nearest `tip-adapter.json` in it or above, up to the project's root (the nearest folder with a
 * package.json), else the field "tip-adapter" of that package.json. Outside of a project only the folder itself is searched, because
 * anyone who can write to /tmp or a shared folder could otherwise configure all users below it. Throws `UsageError` and `DataError`
 * `config/…`.
 */
export async function findConfig(folder: string): Promise<ConfigFile | undefined> {
  let nearest: string | undefined;
  for (let at = folder; ; at = dirname(at)) {
    if (nearest === undefined && existsSync(join(at, CONFIG_FILE))) nearest = at;
    if (existsSync(join(at, 'package.json')))
      return nearest ? ownFile(nearest, folder) : packageField(at, folder);
    if (at === dirname(at)) return nearest === folder ? ownFile(folder, folder) : undefined;
  }
}

async function ownFile(folder: string, from: string): Promise<ConfigFile> {
  const shown = shownPath(join(folder, CONFIG_FILE), from);
  return { shown, folder, value: parsed(await read(join(folder, CONFIG_FILE)), shown) };
}

async function packageField(folder: string, from: string): Promise<ConfigFile | undefined> {
  const path = join(folder, 'package.json');
  const text = await read(path);
  // A package.json belongs to other tools, so an error in it matters only if it has our field.
  if (!text.includes('"tip-adapter"')) return undefined;
  const shown = shownPath(path, from);
  const value = (parsed(text, shown) as { 'tip-adapter'?: unknown } | null)?.['tip-adapter'];
  return value === undefined ? undefined : { shown: `the field "tip-adapter" of ${shown}`, folder, value };
}

const read = (path: string) => readRegularText(path, { area: 'config', limit: 2 ** 20 });

const shownPath = (path: string, from: string) => relative(from, path) || path;

function parsed(text: string, shown: string): unknown {
  return parseJson(text.replace(/^\uFEFF/, ''), { depth: 50, values: 50_000 }, (why, cause) => {
    throw new UsageError(`${shown} cannot be used: ${why}`, {
      code: 'config/json',
      hint: 'Correct the file, or remove it.',
      details: { file: shown },
      cause,
    });
  });
}
