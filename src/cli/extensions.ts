import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Layout } from '../dataset/dataset-layout.ts';
import { registerLayout } from '../dataset/layouts.ts';
import { registerEncoder } from '../encoder/registered.ts';
import type { Encoder } from '../encoder/types.ts';
import { UsageError } from '../errors.ts';
import type { Method } from '../methods/method.ts';
import { keepModule, registerMethod } from '../methods/registry.ts';
import { hashOf } from '../store/checksum.ts';

/** Options whose values are methods or encoders: one, or several separated by commas. */
const NAMING = ['--method', '--methods', '--encoder', '--encoders'];

/**
 * Imports the modules (`./my-method.mjs`) among the methods and encoders of a command line and in `--import`, and registers the methods,
 * encoders and data set layouts that they export. Returns the command line with ids in place of the modules. Throws `UsageError` if a
 * module cannot be imported or exports none of these.
 */
export async function withExtensions(argv: readonly string[]): Promise<string[]> {
  const words = argv.flatMap((word) => /^(--\w+)=(.*)$/s.exec(word)?.slice(1) ?? [word]);
  const named: string[] = [];
  for (const [i, word] of words.entries()) {
    const before = words[i - 1];
    if (before === '--import') await importExtensions(word);
    named.push(NAMING.some((name) => name === before) ? await withIds(word) : word);
  }
  return named;
}

async function withIds(value: string): Promise<string> {
  const ids: string[] = [];
  for (const part of value.split(',')) ids.push(isModule(part) ? await idIn(part) : part);
  return ids.join(',');
}

const isModule = (value: string) => /\.[mc]?[jt]s$/.test(value);

async function idIn(path: string): Promise<string> {
  const ids = await importExtensions(path);
  const [id] = ids;
  if (id !== undefined && ids.length === 1) return id;
  throw refusal(
    path,
    id === undefined ? 'exports no method or encoder' : `exports ${ids.join(', ')}, but one is needed`,
  );
}

/** The modules that were imported, in their order. */
export const imported: string[] = [];

/** Registers what a module exports, and keeps the hash of its file for its methods. Returns the ids of methods and encoders. */
export async function importExtensions(path: string): Promise<string[]> {
  const module: Record<string, unknown> = await import(pathToFileURL(resolve(path)).href).catch((cause) => {
    throw refusal(path, `cannot be imported: ${(cause as Error).message}`, cause);
  });
  imported.push(resolve(path));
  // A module may export the same object by default and by name.
  const values = [...new Set(Object.values(module))];
  const methods = values.filter(isMethod).map(registerMethod);
  const sha256 = hashOf(await readFile(path));
  for (const { id } of methods) keepModule(id, sha256);
  const encoders = values.filter(isEncoder);
  encoders.forEach(registerEncoder);
  const layouts = values.filter(isLayout).map(registerLayout);
  const named = [...methods, ...encoders];
  if (named.length + layouts.length === 0)
    throw refusal(path, 'exports neither a method, nor an encoder, nor a layout');
  return named.map(({ id }) => id);
}

const has = (value: unknown, ...functions: string[]) =>
  typeof value === 'object' &&
  value !== null &&
  typeof (value as { id?: unknown }).id === 'string' &&
  functions.every((name) => typeof (value as Record<string, unknown>)[name] === 'function');

const isMethod = (value: unknown): value is Method => has(value, 'fit', 'holds', 'prepare', 'terms');

const isEncoder = (value: unknown): value is Encoder => has(value, 'embedImages', 'close');

const isLayout = (value: unknown): value is Layout =>
  has(value, 'read') && typeof (value as { about?: unknown }).about === 'string';

function refusal(path: string, what: string, cause?: unknown): UsageError {
  return new UsageError(`The module ${path} ${what}`, {
    code: 'import',
    hint: 'Export methods (defineMethod), encoders or data set layouts (objects of the types Encoder and Layout) from the module.',
    details: { path },
    cause,
  });
}
