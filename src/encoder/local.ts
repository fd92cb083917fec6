import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { sharedEngine } from '../engine/node.ts';
import type { Engine } from '../engine/types.ts';
import { ModelError, type TipAdapterError, throwIfAborted, UsageError } from '../errors.ts';
import { folderSize, homeFolder } from '../store/home.ts';
import { unlessMissing } from '../store/regular.ts';
import { removeFolder } from '../store/temporary.ts';
import { withNamedErrors } from '../system-error.ts';
import { builtinEncoder } from './builtin/encoder.ts';
import { checkedEncoder } from './checked.ts';
import { dualEncoder } from './dual-encoder.ts';
import type { PullOptions } from './pull.ts';
import { type EncoderRecord, readRecord } from './record.ts';
import { registeredEncoder } from './registered.ts';
import {
  type EncoderSource,
  encoderSource,
  REGISTRY,
  type RegisteredEncoder,
  unknownName,
} from './registry.ts';
import type { Encoder } from './types.ts';
import { verifyFiles } from './verified.ts';

/** An encoder on disk, ready for use without a network. */
export interface LocalEncoder {
  readonly record: EncoderRecord;
  readonly folder: string;
}

/** The folder that an encoder of this id has in the home, there or not. */
export function encoderFolder(id: string): string {
  return join(homeFolder('encoders'), id.replace(/[^\w.-]+/g, '_'));
}

/** All whole encoders in the home, by id. */
export async function listEncoders(): Promise<LocalEncoder[]> {
  const root = homeFolder('encoders');
  const names = (await readdir(root).catch(unlessMissing)) ?? [];
  const found = await Promise.all(
    names.filter((name) => !name.startsWith('.')).map((name) => at(join(root, name))),
  );
  return found
    .filter((encoder) => encoder !== undefined)
    .sort((a, b) => (a.record.id < b.record.id ? -1 : 1));
}

async function at(folder: string): Promise<LocalEncoder | undefined> {
  const record = await readRecord(folder);
  return record && { record, folder };
}

/** The encoder of this name in the home; undefined where it is not there. */
export async function findEncoder(name: string): Promise<LocalEncoder | undefined> {
  return at(encoderFolder(name));
}

/** What is known of a name: from the registry, from the disk, or both. */
export interface EncoderDescription {
  readonly registered?: RegisteredEncoder;
  readonly local?: LocalEncoder & { readonly bytes: number };
}

/** Throws `UsageError`, with the nearest name, where neither the registry nor the disk knows it. */
export async function describeEncoder(name: string): Promise<EncoderDescription> {
  const local = await findEncoder(name);
  const registered = REGISTRY.find(({ id }) => id === name);
  if (!local && !registered) throw notInstalled(name);
  return { registered, local: local && { ...local, bytes: await folderSize(local.folder) } };
}

/** Removes an encoder from the home. Returns the bytes freed; throws `UsageError` for an unknown name, `ModelError` where it is not there. */
export async function removeEncoder(name: string): Promise<number> {
  const folder = encoderFolder(name);
  if (!(await stat(folder).catch(unlessMissing))) throw notInstalled(name);
  const bytes = await folderSize(folder);
  await removeFolder(folder);
  return bytes;
}

export interface LoadOptions extends PullOptions {
  readonly engine?: Engine;
  /** Download what is not on disk (default true). */
  readonly pull?: boolean;
}

/**
 * Opens an encoder by the id of one that was registered (`registerEncoder`), a name of the list, `hf:` or `https:` source, or the path of a folder. One that is on disk never touches
 * the network; another is pulled first. Models are read at their first use, pictures' and texts' separately.
 * Throws `UsageError` for an unknown name, `ModelError` where files are missing or `pull` is false, `DataError` where the disk fails.
 */
export async function loadEncoder(name: string, options: LoadOptions = {}): Promise<Encoder> {
  const { engine = sharedEngine() } = options;
  const own = registeredEncoder(name);
  if (own) return own;
  return withNamedErrors(async () => open(await locateEncoder(name, { ...options, engine }), engine));
}

/** The files of an encoder, found or pulled as `loadEncoder` does. */
export async function locateEncoder(name: string, options: LoadOptions = {}): Promise<LocalEncoder> {
  const { engine = sharedEngine(), signal, pull = true } = options;
  throwIfAborted(signal);
  const found = (await verified(await findEncoder(name))) ?? (await inFolder(encoderSource(name), engine));
  if (found) return found;
  if (!pull) throw notHere(name);
  // The parts that download and convert are loaded only where they are needed: predicting must start fast.
  const { pullEncoder } = await import('./pull.ts');
  return pullEncoder(name, { ...options, engine });
}

/** Throws `UsageError` for a name that no encoder can have; nothing is read from the network. `auto` is one that can be had. */
export async function checkEncoderName(name: string): Promise<void> {
  if (name === 'auto' || registeredEncoder(name)) return;
  if (!(await findEncoder(name))) encoderSource(name);
}

/** An encoder with a record, once its files are found to be those of the record. */
async function verified(encoder: LocalEncoder | undefined): Promise<LocalEncoder | undefined> {
  if (encoder) await verifyFiles(encoder);
  return encoder;
}

/** The error for a name that no encoder on this machine has. */
export function notInstalled(name: string): TipAdapterError {
  if (REGISTRY.some(({ id }) => id === name)) return notHere(name);
  if (!/[\\/]/.test(name)) return unknownName(name);
  return new UsageError(`No encoder on this machine is installed as ${name}`, {
    code: 'encoder/unknown',
    hint: 'Give a name that tip-adapter encoders list prints. A folder with an encoder is used where it is.',
    details: { name },
  });
}

function notHere(name: string): ModelError {
  return new ModelError(`The encoder ${name} is not on this machine`, {
    code: 'encoder/not-here',
    hint: `Get it with: tip-adapter encoders pull ${name}`,
    details: { name },
  });
}

function open({ record, folder }: LocalEncoder, engine: Engine): Encoder {
  const kind = record.kind === 'dual' ? dualEncoder : builtinEncoder;
  return checkedEncoder(kind(record, folder, engine));
}

/** A folder given by its path: one of ours by its record, an exported model by its configuration. */
async function inFolder(source: EncoderSource, engine: Engine): Promise<LocalEncoder | undefined> {
  if (source.kind !== 'folder') return undefined;
  const folder = resolve(source.path);
  if (!(await stat(folder).catch(() => undefined))?.isDirectory()) {
    throw new ModelError(`There is no folder ${folder} with an encoder`, {
      code: 'encoder/no-folder',
      hint: 'Check the path.',
      details: { folder },
    });
  }
  const ours = await verified(await at(folder));
  if (ours) return ours;
  const { describeFolder } = await import('./dual-record.ts');
  return { record: await describeFolder(folder, source, engine), folder };
}
