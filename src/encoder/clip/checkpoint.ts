import { realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { ModelError } from '../../errors.ts';
import { bytesPerNumber, type Tensor } from '../../math/tensor.ts';
import { checkRegular, fileIdentity } from '../../store/regular.ts';
import { openSafetensors, type SafetensorsFile } from '../../store/safetensors-file.ts';
import { ENCODER_FILE, readJson } from '../configuration-files.ts';
import { type Checkpoint, type CheckpointFiles, type ClipCheckpoint, openAiNames } from './weights.ts';

const index = z.object({ weight_map: z.record(z.string(), z.string().regex(/^[^/\\]+$/)) });

/** Weights under the names of their file. */
export interface StoredWeights extends Checkpoint {
  /** Whether they are in a program of TorchScript, the form of OpenAI's releases. */
  readonly isScript?: boolean;
  /** Whether they are entries of an archive. */
  readonly isArchive?: boolean;
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
    const identity = fileIdentity(await checkRegular(path, ENCODER_FILE));
    const { entries, isScript, tensor, positions } = await openTorchArchive(path);
    const shapes = new Map([...entries].map(([name, { shape }]) => [name, shape]));
    const places = await positions();
    const files = await filesOf([{ path, identity, entries, position: (name) => places.get(name) }]);
    return { shapes, tensor, isScript, isArchive: true, files, close: async () => {} };
  }
  const names = path.endsWith('.json') ? await shardsOf(path) : [path];
  const files: SafetensorsFile[] = [];
  const close = async () => void (await Promise.all(files.map((file) => file.close())));
  try {
    for (const name of names) files.push(await openSafetensors(name, ENCODER_FILE));
    const owners = ownersOf(names, files);
    const shapes = files.flatMap((file) =>
      [...file.entries].map(([name, { shape }]) => [name, shape] as const),
    );
    const identities = await Promise.all(files.map(async (file) => fileIdentity(await file.stat())));
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
      files: await filesOf(
        files.map(({ entries, position }, i) => ({
          path: names[i]!,
          identity: identities[i]!,
          entries,
          position,
        })),
      ),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The file of each tensor. Throws `ModelError` for a tensor that is in two files. */
function ownersOf(paths: readonly string[], files: readonly SafetensorsFile[]): Map<string, SafetensorsFile> {
  const owners = new Map<string, SafetensorsFile>();
  for (const [i, file] of files.entries())
    for (const name of file.entries.keys()) {
      const other = owners.get(name);
      if (other)
        throw new ModelError(`${paths[i]} and ${paths[files.indexOf(other)]} both hold the tensor ${name}`, {
          code: 'weights/twice',
          hint: 'The files are of two models, or of two versions of one. Get all of them again from one source.',
          details: { name },
        });
      owners.set(name, file);
    }
  return owners;
}

/** A file of weights, with its tensors and where they lie in it. */
interface WeightFile {
  readonly path: string;
  readonly identity: string;
  readonly entries: ReadonlyMap<string, Pick<Tensor, 'dtype' | 'shape'>>;
  /** Undefined for a tensor that does not lie in the file as it is. */
  position(name: string): number | undefined;
}

/**
 * The files of the tensors. ONNX Runtime refuses a link that leads out of the folder, as in Hugging Face's cache, so the files have their
 * real paths. Undefined if these are in more than one folder.
 */
async function filesOf(files: readonly WeightFile[]): Promise<CheckpointFiles | undefined> {
  const real = await Promise.all(files.map(({ path }) => realpath(path)));
  const folder = dirname(real[0]!);
  if (real.some((path) => dirname(path) !== folder)) return undefined;
  const names = real.map((path) => basename(path));
  return {
    folder,
    identities: Object.fromEntries(files.map(({ identity }, i) => [names[i]!, identity])),
    place: (name) => {
      const owner = files.findIndex(({ entries }) => entries.has(name));
      const { dtype, shape } = files[owner]?.entries.get(name) ?? {};
      if (!shape || (dtype !== 'float32' && dtype !== 'float16' && dtype !== 'bfloat16')) return undefined;
      const offset = files[owner]!.position(name);
      // Processors read numbers at multiples of their size.
      if (offset === undefined || offset % bytesPerNumber({ dtype }) !== 0) return undefined;
      return { file: names[owner]!, offset, dtype, shape };
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
