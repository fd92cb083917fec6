import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelError, type TipAdapterError, UsageError } from '../errors.ts';
import { folderSize, homeFolder } from '../store/home.ts';
import { unlessMissing } from '../store/regular.ts';
import { removeFolder } from '../store/temporary.ts';
import { type EncoderRecord, readRecord } from './record.ts';
import { REGISTRY, type RegisteredEncoder, unknownName } from './registry.ts';

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
    names.filter((name) => !name.startsWith('.')).map((name) => encoderIn(join(root, name))),
  );
  return found
    .filter((encoder) => encoder !== undefined)
    .sort((a, b) => (a.record.id < b.record.id ? -1 : 1));
}

/** The encoder that a folder holds by its record. */
export async function encoderIn(folder: string): Promise<LocalEncoder | undefined> {
  const record = await readRecord(folder);
  return record && { record, folder };
}

/** The encoder of this name in the home; undefined where it is not there. */
export async function findEncoder(name: string): Promise<LocalEncoder | undefined> {
  return encoderIn(encoderFolder(name));
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

export function notHere(name: string): ModelError {
  return new ModelError(`The encoder ${name} is not on this machine`, {
    code: 'encoder/not-here',
    hint: `Get it with: tip-adapter encoders pull ${name}`,
    details: { name },
  });
}
