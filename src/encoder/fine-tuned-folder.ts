import { copyFile, mkdir, readdir, realpath, rmdir } from 'node:fs/promises';
import { basename, dirname, join, resolve, sep, win32 } from 'node:path';
import { UsageError } from '../errors.ts';
import type { Tensor } from '../math/tensor.ts';
import { diskError, moveFile, writeFileAtomic } from '../store/atomic.ts';
import { unlessMissing } from '../store/regular.ts';
import { safetensorsPieces } from '../store/safetensors.ts';
import { inTemporaryFolder } from '../store/temporary.ts';
import { clipCheckpoint, openWeights } from './clip/checkpoint.ts';
import { openAi } from './clip/configuration.ts';
import type { LowRank } from './clip/low-rank.ts';
import { mergedTensors } from './clip/merge.ts';
import { dualRecord } from './dual-record.ts';
import { alreadyHashed, hashedFiles, refuseChanged } from './folder-hashes.ts';
import type { LocalEncoder } from './installed.ts';
import { type FineTuning, RECORD_FILE, recordText } from './record.ts';

/** A written encoder, and how it was fine-tuned. */
export interface Written extends LocalEncoder {
  readonly fineTuned: FineTuning;
}

/** Throws `UsageError` if a folder has files, because an encoder is written into a new or empty one. */
export async function checkEmptyFolder(folder: string): Promise<void> {
  const [first] = (await readdir(folder).catch(unlessMissing)) ?? [];
  if (first === undefined) return;
  throw new UsageError(
    `${folder} is not empty (it has ${first}), and an encoder is written into a new folder`,
    {
      code: 'fine-tune/output',
      hint: 'Give another folder, or remove this one.',
      details: { folder },
    },
  );
}

/** Throws `UsageError` if a checkpoint lies in the folder, which must still be empty when the encoder is written. */
export function checkOutside(folder: string, checkpoint: string): void {
  const [root, file] = [resolve(folder), resolve(checkpoint)];
  if (!`${file}${sep}`.startsWith(root.endsWith(sep) ? root : `${root}${sep}`)) return;
  throw new UsageError(`The checkpoint ${checkpoint} lies in the output ${folder}, which must stay empty`, {
    code: 'fine-tune/output',
    hint: 'Keep the checkpoint beside the output.',
    details: { folder, checkpoint },
  });
}

/**
 * Writes an encoder whose weights are those of its parent with trained changes into a folder, whole or not at all. It has the parent's
 * configuration and licence, and a fingerprint of its own.
 */
export async function writeFineTuned(
  parent: LocalEncoder,
  matrices: Readonly<Record<string, Tensor>>,
  how: Pick<LowRank, 'rank' | 'alpha'>,
  about: Omit<FineTuning, 'parent'> & { readonly template: string },
  output: string,
): Promise<Written> {
  const { id, source, fingerprint, licence, revision, files, imageModel, defaults } = parent.record;
  // A link to an empty folder stays as it is.
  const folder = (await realpath(output).catch(unlessMissing)) ?? resolve(output);
  await checkEmptyFolder(folder);
  await mkdir(dirname(folder), { recursive: true }).catch((error) => {
    throw diskError(error, folder);
  });
  return inTemporaryFolder(async (temporary) => {
    const staging = join(temporary, 'encoder');
    await mkdir(staging);
    const configuration = files.map(({ path }) => path).filter((path) => isConfiguration(path));
    for (const path of configuration) await copyFile(join(parent.folder, path), join(staging, path));
    const weights = await writeWeights(
      join(parent.folder, imageModel),
      staging,
      configuration,
      matrices,
      how,
    );
    // The changes were trained beside the weights that the record describes, and have no meaning for others.
    await refuseChanged(parent.folder, files);
    const hashed = await hashedFiles(staging, [weights, ...configuration]);
    const record = await dualRecord(staging, alreadyHashed(hashed), {
      ...{ id: folder, source: folder, licence, precision: 'fp32' },
    });
    const { template, ...made } = about;
    const fineTuned = {
      parent: {
        ...{ id: withoutPath(id), source: withoutPath(source), fingerprint },
        // The new folder is no revision of the parent's source.
        ...(revision !== undefined && { revision }),
      },
      ...made,
    };
    const whole = { ...record, defaults: { ...defaults, template }, fineTuned };
    await writeFileAtomic(join(staging, RECORD_FILE), recordText(whole));
    // Unlike the removal of a folder with its files, this fails if something was put there meanwhile.
    await rmdir(folder).catch(unlessMissing);
    await moveFile(staging, folder);
    return { record: whole, folder, fineTuned };
  }, dirname(folder));
}

const isConfiguration = (path: string) => path.endsWith('.json') && !path.endsWith('.index.json');

/** The path of an encoder is of no use on another machine, so only the name of its folder is kept. */
function withoutPath(place: string): string {
  return win32.isAbsolute(place) ? `./${win32.basename(place)}` : place;
}

/** Writes the merged weights as one file under the names that they had, and adds its name to the configuration's if it needs one. */
async function writeWeights(
  path: string,
  folder: string,
  configuration: string[],
  matrices: Readonly<Record<string, Tensor>>,
  how: Pick<LowRank, 'rank' | 'alpha'>,
): Promise<string> {
  const stored = await openWeights(path);
  try {
    const { hubNames, isScript, shapes } = clipCheckpoint(stored);
    const name = hubNames ? 'model.safetensors' : 'open_clip_model.safetensors';
    const pieces = safetensorsPieces(await mergedTensors(stored, matrices, how), { format: 'pt' });
    await writeFileAtomic(join(folder, name), pieces);
    // OpenAI's programs have no configuration, and their weights in another form need one.
    const needed = 'open_clip_config.json';
    if (isScript && !configuration.some((one) => basename(one) === needed)) {
      await writeFileAtomic(join(folder, needed), JSON.stringify(openAi(shapes)));
      configuration.push(needed);
    }
    return name;
  } finally {
    await stored.close();
  }
}
