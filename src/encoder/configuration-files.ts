import { join } from 'node:path';
import { ModelError } from '../errors.ts';
import { parseJson } from '../json.ts';
import { type FileUse, readRegularText } from '../store/regular.ts';
import { isJson, type Json } from './fields.ts';

/** A file of an encoder. */
export const ENCODER_FILE: FileUse = {
  area: 'encoder',
  Failure: ModelError,
  hint: "Check the encoder's folder, or remove the encoder and pull it again.",
};

/**
 * Tokenizers of 256,000 pieces have two million values, of 900,000 pieces three; nothing in them lies deeper than ten lists and
 * objects.
 */
const BOUNDS = { depth: 32, values: 8_000_000 };

/** An object in a JSON file. Throws `ModelError` naming the file where it holds none. */
export async function readJson(path: string): Promise<Json> {
  return parseObject(await readRegularText(path, ENCODER_FILE), path);
}

/** @param where what to call the text in an error */
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

/** The configuration files among the paths of an encoder's folder, parsed. */
export async function readConfigurationFiles(
  folder: string,
  paths: readonly string[],
): Promise<(path: string) => Json | undefined> {
  const wanted = paths.filter((path) => path.endsWith('.json') && !path.endsWith('.index.json'));
  const read = wanted.map(async (path) => [path, await readJson(join(folder, path))] as const);
  const files = new Map(await Promise.all(read));
  return (path) => files.get(path);
}
