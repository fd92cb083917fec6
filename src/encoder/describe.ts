import { resolve } from 'node:path';
import { folderSize } from '../store/home.ts';
import { encoderIn, findEncoder, type LocalEncoder, notHere, notInstalled, placed } from './installed.ts';
import { withoutSuffix, withPreProjection } from './pre-projection.ts';
import { REGISTRY, type RegisteredEncoder } from './registry.ts';

/** Facts about an encoder from the registry, from the disk, or from both. */
export interface EncoderDescription {
  readonly registered?: RegisteredEncoder;
  readonly local?: LocalEncoder & { readonly bytes: number };
}

/** A fine-tuned encoder in a folder of this path, by its record. */
async function fineTunedAt(path: string): Promise<LocalEncoder | undefined> {
  if (!/[\\/]/.test(path)) return undefined;
  const found = await encoderIn(resolve(path));
  return found?.record.kind === 'dual' && found.record.fineTuned ? placed(found) : undefined;
}

/**
 * Returns the facts about a name. Throws `UsageError` with the nearest name if neither the registry nor the disk has it, and `ModelError` if
 * it ends with `+pre-projection` and the encoder is not on this machine or cannot give such features.
 */
export async function describeEncoder(name: string): Promise<EncoderDescription> {
  const plain = withoutSuffix(name);
  const found = (await findEncoder(plain ?? name)) ?? (await fineTunedAt(plain ?? name));
  const registered = REGISTRY.find(({ id }) => id === (plain ?? name));
  if (!found && !registered) throw notInstalled(plain ?? name);
  // The number of pre-projection features is known only from the weights.
  if (!found && plain !== undefined) throw notHere(name);
  const local = found && plain !== undefined ? await withPreProjection(found) : found;
  return { registered, local: local && { ...local, bytes: await folderSize(local.folder) } };
}
