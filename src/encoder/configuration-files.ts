import { join } from 'node:path';
import { ModelError } from '../errors.ts';
import { type FileUse, readRegularText } from '../store/regular.ts';
import { configurationPath, type Json, parseObject } from './fields.ts';

/** The use of an encoder's file, for error messages. */
export const ENCODER_FILE: FileUse = {
  area: 'encoder',
  Failure: ModelError,
  hint: "Check the encoder's folder, or remove the encoder and pull it again.",
};

/** The object in a JSON file. Throws `ModelError` that names the file if it does not hold an object. */
export async function readJson(path: string): Promise<Json> {
  return parseObject(await readRegularText(path, ENCODER_FILE), path);
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
