import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { InferenceSession } from 'onnxruntime-node';
import { ModelError } from '../errors.ts';
import { bytesPerNumber, type StoredTensor, sizeOf } from '../math/tensor.ts';
import { fileIdentity } from '../store/regular.ts';
import type { ModelWeights } from './protocol.ts';
import type { WeightFiles } from './types.ts';

/** The native build's options for a model with weights in files, which it maps into memory. */
export function inFolder(
  { folder }: WeightFiles,
  { extra }: InferenceSession.SessionOptions,
): InferenceSession.SessionOptions {
  const session = { ...(extra?.session as object), model_external_initializers_file_folder_path: folder };
  return { extra: { ...extra, session } };
}

/** The options of the WebAssembly build. Only the model's tensors are read, because their file may be larger than memory. */
export function inMemory({ folder, pieces }: ModelWeights): InferenceSession.SessionOptions {
  const opened = new Map<string, number>();
  try {
    const externalData = pieces.map((piece, i) => {
      const file = opened.get(piece.file) ?? openSync(join(folder, piece.file), 'r');
      opened.set(piece.file, file);
      return { path: `${i}`, data: bytesOf(file, piece) };
    });
    return { externalData };
  } finally {
    for (const file of opened.values()) closeSync(file);
  }
}

/** Number of bytes read at once; Node's limit is below 2 GiB. */
const READ_AT_ONCE = 2 ** 30;

/** The bytes of a tensor. They are zeros after the end of a file that became shorter, which `checkUnchanged` refuses. */
function bytesOf(file: number, piece: StoredTensor): Uint8Array {
  const bytes = new Uint8Array(sizeOf(piece.shape) * bytesPerNumber(piece));
  for (let done = 0; done < bytes.length; ) {
    const wanted = Math.min(READ_AT_ONCE, bytes.length - done);
    const read = readSync(file, bytes, done, wanted, piece.offset + done);
    if (read === 0) break;
    done += read;
  }
  return bytes;
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
