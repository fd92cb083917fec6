import { ModelError, throwIfAborted } from '../../errors.ts';
import type { Tensor } from '../../math/tensor.ts';
import { sha256 } from '../../sha256.ts';
import type { View } from './names.ts';
import { type Checkpoint, readView, widened } from './weights.ts';

/**
 * Sha256 (hex) over the tensors of a model: their names in the towers, shapes and values in single precision. All files that give the towers
 * the same numbers have the same hash, whatever names, number types and order their format has.
 *
 * Throws `ModelError` that names a tensor with a number that is not finite.
 *
 * @param stored the weights under the names of their file
 * @param views the tensors by their names in the towers
 */
export async function hashOfTensors(
  stored: Checkpoint,
  views: ReadonlyMap<string, View>,
  signal?: AbortSignal,
): Promise<string> {
  const bySource = new Map<string, [name: string, view: View][]>();
  for (const entry of views) {
    const { source } = entry[1];
    bySource.set(source, [...(bySource.get(source) ?? []), entry]);
  }
  const hashes: [name: string, shape: readonly number[], hash: string][] = [];
  for (const [source, parts] of bySource) {
    throwIfAborted(signal);
    // Large tensors are read once, also if they hold several of the towers'.
    const whole = widened(await stored.tensor(source), source);
    checkFinite(whole, source);
    for (const [name, view] of parts) {
      const { shape, data } = await readView(async () => whole, view);
      hashes.push([name, shape, sha256(data)]);
    }
  }
  hashes.sort(([a], [b]) => (a < b ? -1 : 1));
  return sha256(JSON.stringify(hashes));
}

function checkFinite({ data }: Tensor, name: string): void {
  // A product with 0 is 0 for every finite number, and NaN for the others.
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += (data[i] as number) * 0;
  if (sum === 0) return;
  const at = (data as Float32Array).findIndex((x) => !Number.isFinite(x));
  throw new ModelError(`The weights hold ${name} with ${data[at]} at place ${at}`, {
    code: 'weights/not-finite',
    hint: 'They are damaged, or a training went wrong. Get them again, or use an earlier checkpoint.',
    details: { name, at },
  });
}
