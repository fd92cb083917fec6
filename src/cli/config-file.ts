import { existsSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { UsageError } from '../errors.ts';
import { parseJson } from '../json.ts';
import { readRegularText } from '../store/regular.ts';

/** The name of a config file. */
const CONFIG_FILE = 'tip-adapter.json';

/** A config as it was found. */
export interface ConfigFile {
  /** As shown to a person: `../tip-adapter.json`, `the field "tip-adapter" of package.json`. */
  readonly shown: string;
  /** The folder that paths in it are relative to. */
  readonly folder: string;
  readonly value: unknown;
}

/**
 * The nearest config of a folder: `tip-adapter.json` there or above, up to the project's root (the first folder with a package.json), or
 * else the field "tip-adapter" of that package.json. Above a folder that is in no project, nothing is looked for: whoever may write
 * into /tmp or a shared folder would configure everyone below it. Throws `UsageError` `config/…` and `DataError` `config/…`.
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
  // Someone else's file, which is mostly of no concern.
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
