import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelError, type TipAdapterError, UsageError } from '../errors.ts';
import { folderSize, homeFolder } from '../store/home.ts';
import { readRegularText, unlessMissing } from '../store/regular.ts';
import { removeFolder } from '../store/temporary.ts';
import { ENCODER_FILE } from './configuration-files.ts';
import { QUANTISED, unknownName } from './encoder-source.ts';
import { type EncoderRecord, parseRecord, RECORD_FILE } from './record.ts';
import { REGISTRY } from './registry.ts';

/** An encoder on disk, with its folder and its record. It needs no network. */
export interface LocalEncoder {
  readonly record: EncoderRecord;
  readonly folder: string;
}

/** The path of the folder for an encoder of this id in the home. It may not exist. No id leads to another place, or to a hidden folder. */
export function encoderFolder(id: string): string {
  return join(homeFolder('encoders'), id.replace(/[^\w.-]+/g, '_').replace(/^\.+|^$/, '_'));
}

/** Returns all complete encoders in the home, sorted by id. */
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

/** The record in an encoder's folder. Undefined if there is none. Throws `ModelError` if it is malformed. */
async function readRecord(folder: string): Promise<EncoderRecord | undefined> {
  const path = join(folder, RECORD_FILE);
  const text = await readRegularText(path, ENCODER_FILE).catch(unlessMissing);
  return text === undefined ? undefined : parseRecord(text, path);
}

/** The encoder in a folder with a record. Undefined if the folder has no record. */
export async function encoderIn(folder: string): Promise<LocalEncoder | undefined> {
  const record = await readRecord(folder);
  return record && { record, folder };
}

/** A fine-tuned encoder and that of a site with 8-bit weights have the name of the folder that they are in now, so that a classifier finds them. Others are returned unchanged. */
export function placed({ record, folder }: LocalEncoder): LocalEncoder {
  const isMoved = (record.kind === 'dual' && record.fineTuned) || record.id.endsWith(QUANTISED);
  return isMoved ? { record: { ...record, id: folder, source: folder }, folder } : { record, folder };
}

/** Returns the encoder of this name in the home, or undefined. */
export async function findEncoder(name: string): Promise<LocalEncoder | undefined> {
  return encoderIn(encoderFolder(name));
}

/** Removes an encoder from the home. Returns the bytes freed. Throws `UsageError` for an unknown name, `ModelError` for a missing one. */
export async function removeEncoder(name: string): Promise<number> {
  const folder = encoderFolder(name);
  // A folder with a damaged record, or with none yet, can be removed too.
  const record = await readRecord(folder).catch(() => undefined);
  const isOther = record !== undefined && record.id !== name;
  if (isOther || !(await stat(folder).catch(unlessMissing))) throw notInstalled(name);
  const bytes = await folderSize(folder);
  await removeFolder(folder);
  return bytes;
}

/** The error for a name that no installed encoder has. */
export function notInstalled(name: string): TipAdapterError {
  if (REGISTRY.some(({ id }) => id === name)) return notHere(name);
  if (!/[\\/]/.test(name)) return unknownName(name);
  return new UsageError(`No encoder on this machine is installed as ${name}`, {
    code: 'encoder/unknown',
    hint: 'Give a name that tip-adapter encoders list prints. An encoder in a folder of your own is used from there and not installed.',
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
