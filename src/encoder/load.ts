import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Abortable } from '../abort.ts';
import '../engine/node.ts';
import { sharedEngine } from '../engine/shared.ts';
import type { Engine } from '../engine/types.ts';
import { ModelError, throwIfAborted, UsageError } from '../errors.ts';
import { withNamedErrors } from '../system-error.ts';
import { checkedEncoder } from './checked.ts';
import { isWeights } from './dual-files.ts';
import { encoderOf } from './encoder-of.ts';
import { type EncoderSource, encoderSource } from './encoder-source.ts';
import { encoderIn, findEncoder, type LocalEncoder, notHere, placed } from './installed.ts';
import { joinEncoders, type NamedPart, partsOfName } from './joined.ts';
import { withoutSuffix, withPreProjection } from './pre-projection.ts';
import type { PullOptions } from './pull.ts';
import { registeredEncoder } from './registered.ts';
import type { Encoder } from './types.ts';
import { verifyFiles } from './verified.ts';

/** Options of `loadEncoder`: the engine (default: the shared one), and whether it may download. */
export interface LoadOptions extends PullOptions {
  readonly engine?: Engine;
  /** Download an encoder that is not on disk (default true). */
  readonly pull?: boolean;
}

/**
 * Opens an encoder and returns it. `name` is the id of a registered encoder (`registerEncoder`), a name in `REGISTRY`, an `hf:` or
 * `https:` source, or the path of a folder. An encoder that is not on disk is downloaded first; one on disk needs no network. Each tower
 * is read at its first use. Throws `UsageError` for an unknown name, `ModelError` if files are missing or the encoder is not on disk and
 * `pull` is false, and `DataError` if the disk fails.
 */
export async function loadEncoder(
  name: string,
  options: LoadOptions = {},
): Promise<Encoder & AsyncDisposable> {
  const { engine = sharedEngine() } = options;
  const own = registeredEncoder(name);
  if (own) return own;
  const parts = await joinedParts(name);
  if (parts) return loadJoined(parts, options);
  return withNamedErrors(async () => open(await locateEncoder(name, { ...options, engine }), engine));
}

/** The parts of a joined encoder's name. Undefined for one encoder, also if the path of its folder has a plus. */
async function joinedParts(name: string): Promise<NamedPart[] | undefined> {
  if (withoutSuffix(name) !== undefined) return undefined;
  const parts = partsOfName(name);
  return parts && !(await stat(resolve(name)).catch(() => undefined)) ? parts : undefined;
}

async function loadJoined(
  parts: readonly NamedPart[],
  options: LoadOptions,
): Promise<Encoder & AsyncDisposable> {
  const encoders: Encoder[] = [];
  try {
    for (const { name } of parts) encoders.push(await loadEncoder(name, options));
    const weights = parts.flatMap(({ weight }) => weight ?? []);
    return checkedEncoder(joinEncoders(encoders, weights.length > 0 ? weights : undefined));
  } catch (error) {
    await Promise.all(encoders.map((encoder) => encoder.close()));
    throw error;
  }
}

/** The files of an encoder, which are downloaded if necessary, as by `loadEncoder`. */
export async function locateEncoder(name: string, options: LoadOptions = {}): Promise<LocalEncoder> {
  const { engine = sharedEngine(), signal, pull = true } = options;
  throwIfAborted(signal);
  const plain = withoutSuffix(name);
  if (plain !== undefined)
    return withPreProjection(await locateEncoder(plain, { ...options, fromWeights: true }));
  if (await joinedParts(name))
    throw new UsageError(`${name} joins several encoders, which have no files in common`, {
      code: 'encoder/joined',
      hint: 'Give the parts one by one. A classifier is exported without them by --input features.',
      details: { name },
    });
  const found =
    (await verified(await findEncoder(name), options)) ??
    (await inFolder(encoderSource(name), engine, options));
  if (found) return found;
  if (!pull) throw notHere(name);
  // The modules that download and convert are imported only when needed, so that predicting starts fast.
  const { pullEncoder } = await import('./pull.ts');
  return pullEncoder(name, { ...options, engine });
}

/**
 * Throws `UsageError` for a name that no encoder can have, and `ModelError` for a folder that does not exist or has no model. Does not use
 * the network. `auto` is valid.
 */
export async function checkEncoderName(name: string): Promise<void> {
  const plain = withoutSuffix(name) ?? name;
  const parts = await joinedParts(plain);
  if (parts) for (const part of parts) await checkPartName(part.name);
  else await checkPartName(plain);
}

async function checkPartName(name: string): Promise<void> {
  if (name === 'auto' || registeredEncoder(name) || (await findEncoder(name))) return;
  const source = encoderSource(name);
  if (source.kind !== 'folder') return;
  const folder = await existing(source);
  if (await encoderIn(folder)) return;
  const { checkFolder } = await import('./dual-record.ts');
  await checkFolder(folder, source);
}

/** Throws the errors of `loadEncoder` if an encoder is neither on this machine nor at its source. Downloads no model. */
export async function checkEncoderSource(name: string, options: PullOptions = {}): Promise<void> {
  const plain = withoutSuffix(name) ?? name;
  const parts = await joinedParts(plain);
  if (parts) for (const part of parts) await checkPartSource(part.name, options);
  else await checkPartSource(plain, { ...options, fromWeights: plain !== name });
}

async function checkPartSource(name: string, options: PullOptions): Promise<void> {
  if (name === 'auto' || registeredEncoder(name) || (await findEncoder(name))) return;
  const { checkSource } = await import('./pull.ts');
  await checkSource(encoderSource(name), options);
}

/** The encoder after its files have been compared with its record, which is renewed if an earlier version wrote it. */
async function verified(
  encoder: LocalEncoder | undefined,
  { signal }: Abortable,
): Promise<LocalEncoder | undefined> {
  if (!encoder) return undefined;
  await verifyFiles(encoder, { signal });
  if (!isWeights(encoder.record.imageModel) || encoder.record.formerFingerprint !== undefined) return encoder;
  const { renewed } = await import('./dual-record.ts');
  return renewed(encoder);
}

async function open({ record, folder }: LocalEncoder, engine: Engine): Promise<Encoder & AsyncDisposable> {
  return checkedEncoder(await encoderOf(record, folder, engine));
}

/** The encoder in a folder of the given path: an installed encoder has a record, an exported model has its configuration. */
async function inFolder(
  source: EncoderSource,
  engine: Engine,
  { signal }: Abortable,
): Promise<LocalEncoder | undefined> {
  if (source.kind !== 'folder') return undefined;
  const folder = await existing(source);
  const ours = await verified(await encoderIn(folder), { signal });
  if (ours) return placed(ours);
  const { describeFolder } = await import('./dual-record.ts');
  return { record: await describeFolder(folder, source, engine, { signal }), folder };
}

async function existing({ path }: EncoderSource & { kind: 'folder' }): Promise<string> {
  const folder = resolve(path);
  if ((await stat(folder).catch(() => undefined))?.isDirectory()) return folder;
  throw new ModelError(`There is no folder ${folder} with an encoder`, {
    code: 'encoder/no-folder',
    hint: 'Check the path. If it is a file of weights, give the folder that holds it with its tokenizer.json.',
    details: { folder },
  });
}
