import { join } from 'node:path';
import { allEnded } from '../../abort.ts';
import { ModelError, throwIfAborted } from '../../errors.ts';
import { bytesPerNumber, firstNotFinite, type StoredTensor, sizeOf } from '../../math/tensor.ts';
import { sha256 } from '../../sha256.ts';
import { hashParts } from '../../store/hash-thread.ts';
import { ENCODER_FILE } from '../configuration-files.ts';
import type { StoredWeights } from './checkpoint.ts';
import type { View } from './names.ts';
import { filesUnder, readView, widened } from './weights.ts';

/**
 * Sha256 (hex) over the tensors of a model: their names in the towers, shapes and values in single precision. All files that give the towers
 * the same numbers have the same hash, whatever names, number types and order their format has. Tensors that lie in a safetensors file as the
 * towers use them are hashed in two parts for each file, large ones in threads.
 *
 * Throws `ModelError` that names a tensor with a number that is not finite.
 *
 * @param stored the weights under the names of their file
 * @param views the tensors by their names in the towers
 */
export async function hashOfTensors(
  stored: StoredWeights,
  views: ReadonlyMap<string, View>,
  signal?: AbortSignal,
): Promise<string> {
  // The entries of an archive have checksums, which are compared when the entries are read whole.
  const files = stored.isArchive ? undefined : filesUnder(stored, views);
  const byFile = new Map<string, Placed[]>();
  const bySource = new Map<string, [name: string, view: View][]>();
  for (const [name, view] of views) {
    const place = files?.place(name);
    if (place) byFile.set(place.file, [...(byFile.get(place.file) ?? []), { name, view, place }]);
    else bySource.set(view.source, [...(bySource.get(view.source) ?? []), [name, view]]);
  }
  const inFiles = [...byFile].flatMap(([file, parts]) =>
    [0, 1]
      .map((half) => parts.filter((_, i) => i % 2 === half))
      .filter((own) => own.length > 0)
      .map((own) => hashesOf(join(files?.folder ?? '', file), own, signal)),
  );
  const hashHere = async () => {
    const hashes: Hashed[] = [];
    for (const [source, parts] of bySource) {
      throwIfAborted(signal);
      // Large tensors are read once, also if they hold several of the towers'.
      const whole = widened(await stored.tensor(source), source);
      const values = whole.data as Float32Array;
      const at = firstNotFinite(values);
      if (at >= 0) throw notFinite(source, at, values[at]!);
      for (const [name, view] of parts) {
        const { shape, data } = await readView(async () => whole, view);
        hashes.push([name, shape, sha256(data)]);
      }
    }
    return hashes;
  };
  const hashes = (await allEnded([hashHere(), ...inFiles])).flat();
  hashes.sort(([a], [b]) => (a < b ? -1 : 1));
  return sha256(JSON.stringify(hashes));
}

type Hashed = [name: string, shape: readonly number[], hash: string];

interface Placed {
  readonly name: string;
  readonly view: View;
  readonly place: StoredTensor;
}

/** The hashes of the tensors in a file. */
async function hashesOf(path: string, parts: readonly Placed[], signal?: AbortSignal): Promise<Hashed[]> {
  const ranges = parts.map(({ place: { offset, dtype, shape } }) => ({
    offset,
    length: sizeOf(shape) * bytesPerNumber({ dtype }),
    dtype,
  }));
  const hashes = await hashParts(path, ranges, ENCODER_FILE, signal);
  return hashes.map(({ sha256, bad }, i) => {
    const {
      name,
      view: { source, part },
      place: { shape },
    } = parts[i]!;
    if (bad) throw notFinite(source, (part?.[0] ?? 0) * sizeOf(shape) + bad.at, bad.value);
    return [name, shape, sha256];
  });
}

function notFinite(name: string, at: number, value: number): ModelError {
  return new ModelError(`The weights hold ${name} with ${value} at place ${at}`, {
    code: 'weights/not-finite',
    hint: 'They are damaged, or a training went wrong. Get them again, or use an earlier checkpoint.',
    details: { name, at },
  });
}
