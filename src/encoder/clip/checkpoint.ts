import { dirname, join } from 'node:path';
import { z } from 'zod';
import { ModelError } from '../../errors.ts';
import { openSafetensors, type SafetensorsFile } from '../../store/safetensors-file.ts';
import { openTorchArchive } from '../../store/torch-archive.ts';
import { ENCODER_FILE, readJson } from '../configuration-files.ts';
import { type Checkpoint, type ClipCheckpoint, openAiNames, twice } from './weights.ts';

const index = z.object({ weight_map: z.record(z.string(), z.string().regex(/^[^/\\]+$/)) });

/** Weights under the names of their file. */
export interface StoredWeights extends Checkpoint {
  /** Whether they are in a program of TorchScript, the form of OpenAI's releases. */
  readonly isScript?: boolean;
}

/** Opens CLIP's weights under OpenAI's names. */
export async function openCheckpoint(path: string): Promise<ClipCheckpoint> {
  const stored = await openWeights(path);
  try {
    return { ...openAiNames(stored), isScript: stored.isScript };
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
    const { entries, isScript, tensor } = await openTorchArchive(path);
    const shapes = new Map([...entries].map(([name, { shape }]) => [name, shape]));
    return { shapes, tensor, isScript, close: async () => {} };
  }
  const parts = path.endsWith('.json') ? await partsOf(path) : new Map<string, string[]>([[path, []]]);
  const files: SafetensorsFile[] = [];
  const close = async () => void (await Promise.all(files.map((file) => file.close())));
  try {
    const owners = new Map<string, SafetensorsFile>();
    const shapes = new Map<string, readonly number[]>();
    for (const [part, stated] of parts) {
      const file = await openSafetensors(part, ENCODER_FILE);
      files.push(file);
      for (const [name, { shape }] of file.entries) {
        if (owners.has(name)) throw twice(name, `${part} and another file of ${path}`);
        owners.set(name, file);
        shapes.set(name, shape);
      }
      const absent = stated.find((name) => !file.entries.has(name));
      if (absent !== undefined)
        throw new ModelError(`${part} has no tensor ${absent}, although ${path} names it`, {
          code: 'weights/missing',
          hint: 'The parts are of two models, or one is damaged. Get all of them from one source.',
          details: { path: part, name: absent },
        });
    }
    return {
      shapes,
      tensor: (name) => {
        const owner = owners.get(name);
        if (owner) return owner.tensor(name);
        throw new ModelError(`${path} has no tensor ${name}`, {
          code: 'weights/missing',
          details: { path, name },
        });
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The files of a checkpoint in parts, each with the tensors that the index says it holds. */
async function partsOf(path: string): Promise<Map<string, string[]>> {
  const parsed = index.safeParse(await readJson(path));
  if (parsed.success) {
    const parts = new Map<string, string[]>();
    for (const [name, file] of Object.entries(parsed.data.weight_map)) {
      const part = join(dirname(path), file);
      const named = parts.get(part);
      if (named) named.push(name);
      else parts.set(part, [name]);
    }
    return parts;
  }
  throw new ModelError(`${path} does not say which file holds which tensor`, {
    code: 'weights/index',
    details: { path },
    cause: parsed.error,
  });
}
