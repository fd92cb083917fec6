import { join } from 'node:path';
import { ModelError } from '../errors.ts';
import { parseJson } from '../json.ts';
import { type FileUse, readRegularText } from '../store/regular.ts';
import { isJson, type Json } from './fields.ts';

/** The use of an encoder's file, for error messages. */
export const ENCODER_FILE: FileUse = {
  area: 'encoder',
  Failure: ModelError,
  hint: "Check the encoder's folder, or remove the encoder and pull it again.",
};

/**
 * Limits of a configuration's JSON. A tokenizer of 256,000 pieces has two million values, one of 900,000 pieces has three million, and
 * neither nests deeper than ten.
 */
const BOUNDS = { depth: 32, values: 8_000_000 };

/** The object in a JSON file. Throws `ModelError` that names the file if it does not hold an object. */
export async function readJson(path: string): Promise<Json> {
  return parseObject(await readRegularText(path, ENCODER_FILE), path);
}

/** @param where the name of the text in an error */
export function parseObject(text: string, where: string): Json {
  const refuse = (why: string, cause?: unknown): never => {
    throw new ModelError(`${where} cannot be read: ${why}`, {
      code: 'encoder/json',
      hint: 'The file is damaged; get it again.',
      details: { path: where },
      cause,
    });
  };
  const value = parseJson(text, BOUNDS, refuse);
  return isJson(value) ? value : refuse('it is not a JSON object');
}

/** Folders with configuration files: the encoder's own, and those of the towers in Immich's exports. */
const PLACES = ['', 'visual/', 'textual/'];

/** The path of a configuration file among those of an encoder's folder. Undefined if it is not there. */
export function configurationPath(paths: Iterable<string>, name: string): string | undefined {
  const present = new Set(paths);
  return PLACES.map((place) => place + name).find((path) => present.has(path));
}

/** The configuration files among the paths of an encoder's folder, parsed, by their names without a folder. */
export async function readConfigurationFiles(
  folder: string,
  paths: readonly string[],
): Promise<(path: string) => Json | undefined> {
  const wanted = paths.filter((path) => path.endsWith('.json') && !path.endsWith('.index.json'));
  const read = wanted.map(async (path) => [path, await readJson(join(folder, path))] as const);
  const files = new Map(await Promise.all(read));
  return (name) => files.get(configurationPath(files.keys(), name) ?? '');
}
