import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { InferenceSession } from 'onnxruntime-node';
import { ModelError } from '../errors.ts';
import { fileIdentity } from '../store/regular.ts';
import type { WeightFiles } from './types.ts';

/** The native build's options for a model with weights in files, which it maps into memory. */
export function inFolder(
  { folder }: WeightFiles,
  { extra }: InferenceSession.SessionOptions,
): InferenceSession.SessionOptions {
  const session = { ...(extra?.session as object), model_external_initializers_file_folder_path: folder };
  return { extra: { ...extra, session } };
}

/** The options of the WebAssembly build, which cannot open files. */
export function inMemory({ folder, identities }: WeightFiles): InferenceSession.SessionOptions {
  const externalData = Object.keys(identities).map((path) => ({
    path,
    data: readFileSync(join(folder, path)),
  }));
  return { externalData };
}

/** Throws `ModelError` if a file is another one by now, so that the model may have read some weights from each. */
export function checkUnchanged({ folder, identities }: WeightFiles): void {
  for (const [name, identity] of Object.entries(identities)) {
    const path = join(folder, name);
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats && fileIdentity(stats) === identity) continue;
    throw new ModelError(`${path} was changed while it was read`, {
      code: 'encoder/changed',
      hint: 'Run the same command again when nothing writes to the folder any more.',
      details: { path },
    });
  }
}
