import { atOnce, type Pieces } from '../abort.ts';
import type { DType, Tensor } from '../math/tensor.ts';
import { createSha256 } from '../sha256.ts';
import type { SafetensorsFile } from '../store/safetensors-file.ts';
import { tensorBytes } from '../store/safetensors-header.ts';

/**
 * Sha256 (hex) over the JSON text and, in the order of their names, each tensor's line `\n<name> <type> <sizes joined by x>\n` and
 * bytes. Without it an altered number would give a wrong answer that nobody notices.
 */
export function contentHash(tensors: Readonly<Record<string, Tensor>>, classifier: string): string {
  return atOnce(contentHashInPieces(tensors, classifier));
}

/** Number of bytes that are hashed in one piece of work. */
const PIECE = 2 ** 22;

/** The same as interruptible work. */
export function* contentHashInPieces(
  tensors: Readonly<Record<string, Tensor>>,
  classifier: string,
): Pieces<string> {
  const hash = createSha256().update(classifier);
  for (const [name, tensor] of byName(Object.entries(tensors))) {
    hash.update(tensorLine(name, tensor));
    const bytes = tensorBytes(tensor);
    for (let at = 0; at < bytes.length; at += PIECE) {
      hash.update(bytes.subarray(at, at + PIECE));
      yield;
    }
  }
  return hash.digest('hex');
}

function byName<T>(entries: Iterable<[string, T]>): [string, T][] {
  return [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
}

function tensorLine(name: string, { dtype, shape }: { dtype: DType; shape: readonly number[] }): string {
  return `\n${name} ${dtype} ${shape.join('x')}\n`;
}

/** The same hash of a file that is read in pieces. `look` gets the pieces of one tensor. */
export async function fileHash(
  file: SafetensorsFile,
  classifier: string,
  shown: string,
  look: (piece: Uint8Array) => void,
): Promise<string> {
  const hash = createSha256().update(classifier);
  for (const [name, entry] of byName(file.entries)) {
    hash.update(tensorLine(name, entry));
    for await (const chunk of file.chunks(name)) {
      hash.update(chunk);
      if (name === shown) look(chunk);
    }
  }
  return hash.digest('hex');
}
