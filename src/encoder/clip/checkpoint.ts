import { realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { ModelError } from '../../errors.ts';
import { fileIdentity } from '../../store/regular.ts';
import { openSafetensors, type SafetensorsFile } from '../../store/safetensors-file.ts';
import { ENCODER_FILE, readJson } from '../configuration-files.ts';
import { type Checkpoint, type CheckpointFiles, type ClipCheckpoint, openAiNames } from './weights.ts';

const index = z.object({ weight_map: z.record(z.string(), z.string().regex(/^[^/\\]+$/)) });

/** Weights under the names of their file. */
export interface StoredWeights extends Checkpoint {
  /** Whether they are in a program of TorchScript, the form of OpenAI's releases. */
  readonly isScript?: boolean;
}

/** CLIP's weights under OpenAI's names. */
export function clipCheckpoint(stored: StoredWeights): ClipCheckpoint {
  return { ...openAiNames(stored), isScript: stored.isScript };
}

/** Opens CLIP's weights under OpenAI's names. */
export async function openCheckpoint(path: string): Promise<ClipCheckpoint> {
  const stored = await openWeights(path);
  try {
    return clipCheckpoint(stored);
  } catch (error) {
    await stored.close();
    throw error;
  }
}

/**
 * Opens weights: one safetensors file, the index of several, or a `.pt` file of PyTorch. A tensor is read when it is requested.
 */
export async function openWeights(path: string): Promise<StoredWeights> {
  if (path.endsWith('.pt')) {
    // Few encoders are such files, and the reader's modules would be loaded with every command.
    const { openTorchArchive } = await import('../../store/torch-archive.ts');
    const { entries, isScript, tensor } = await openTorchArchive(path);
    const shapes = new Map([...entries].map(([name, { shape }]) => [name, shape]));
    return { shapes, tensor, isScript, close: async () => {} };
  }
  const names = path.endsWith('.json') ? await shardsOf(path) : [path];
  const files: SafetensorsFile[] = [];
  const close = async () => void (await Promise.all(files.map((file) => file.close())));
  try {
    for (const name of names) files.push(await openSafetensors(name, ENCODER_FILE));
    const owners = new Map(files.flatMap((file) => [...file.entries.keys()].map((name) => [name, file])));
    const shapes = files.flatMap((file) =>
      [...file.entries].map(([name, { shape }]) => [name, shape] as const),
    );
    return {
      shapes: new Map(shapes),
      tensor: (name) => {
        const owner = owners.get(name);
        if (owner) return owner.tensor(name);
        throw new ModelError(`${path} has no tensor ${name}`, {
          code: 'weights/missing',
          details: { path, name },
        });
      },
      files: await filesOf(names, files, owners),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * Where the tensors lie. ONNX Runtime refuses a link that leads out of the folder, as in Hugging Face's cache, so the files are named by where
 * they really are. Undefined if that is more than one folder.
 */
async function filesOf(
  paths: readonly string[],
  files: readonly SafetensorsFile[],
  owners: ReadonlyMap<string, SafetensorsFile>,
): Promise<CheckpointFiles | undefined> {
  const real = await Promise.all(paths.map((path) => realpath(path)));
  const folder = dirname(real[0]!);
  if (real.some((path) => dirname(path) !== folder)) return undefined;
  const names = new Map(files.map((file, i) => [file, basename(real[i]!)]));
  const identities = await Promise.all(files.map(async (file) => fileIdentity(await file.stat())));
  return {
    folder,
    identities: Object.fromEntries(identities.map((identity, i) => [basename(real[i]!), identity])),
    place: (name) => {
      const owner = owners.get(name);
      const entry = owner?.entries.get(name);
      if (!owner || !entry) return undefined;
      const { dtype, shape } = entry;
      const offset = owner.position(name);
      if (dtype !== 'float32' && dtype !== 'float16' && dtype !== 'bfloat16') return undefined;
      // Processors read numbers at multiples of their size.
      if (offset % (dtype === 'float32' ? 4 : 2) !== 0) return undefined;
      return { file: names.get(owner)!, offset, dtype, shape };
    },
  };
}

async function shardsOf(path: string): Promise<string[]> {
  const parsed = index.safeParse(await readJson(path));
  if (parsed.success)
    return [...new Set(Object.values(parsed.data.weight_map))].map((name) => join(dirname(path), name));
  throw new ModelError(`${path} does not say which file holds which tensor`, {
    code: 'weights/index',
    details: { path },
    cause: parsed.error,
  });
}
