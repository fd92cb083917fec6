import { join } from 'node:path';
import { errorAbout } from '../errors.ts';
import { fieldsOf } from '../graph/wire.ts';
import { isLfsPointer, LARGEST_POINTER, lfsPointer } from '../store/lfs-pointer.ts';
import { readRegular } from '../store/regular.ts';
import { ENCODER_FILE } from './configuration-files.ts';
import { externalPath, externalPlace } from './external-place.ts';

/** For each message of onnx.proto: the fields that lead to tensors, and the messages in them. */
const WAYS: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  model: { 7: 'graph', 25: 'function' },
  graph: { 1: 'node', 5: 'tensor', 15: 'sparse' },
  function: { 7: 'node' },
  node: { 5: 'attribute' },
  attribute: { 5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse', 23: 'sparse' },
  sparse: { 1: 'tensor', 2: 'tensor' },
  tensor: {},
};

/**
 * The files with external weights of ONNX models, as paths inside the folder. Throws `ModelError` for a file outside of the folder, and
 * for a model that cannot be read.
 *
 * @param models paths inside the folder; files that are not ONNX are ignored
 */
export async function externalFiles(folder: string, models: Iterable<string>): Promise<string[]> {
  const found = new Set<string>();
  for (const model of new Set(models)) {
    if (!model.endsWith('.onnx')) continue;
    const path = join(folder, model);
    const bytes = await readRegular(path, ENCODER_FILE);
    if (bytes.length <= LARGEST_POINTER && isLfsPointer(new TextDecoder().decode(bytes)))
      throw lfsPointer(path);
    try {
      for (const location of locationsIn(bytes)) found.add(externalPath(model, location));
    } catch (error) {
      throw errorAbout(path, error as Error);
    }
  }
  return [...found];
}

function* locationsIn(model: Uint8Array): Generator<string> {
  const messages: [string, Uint8Array][] = [['model', model]];
  for (let next = messages.pop(); next; next = messages.pop()) {
    const [kind, bytes] = next;
    const fields = fieldsOf(bytes);
    const place = kind === 'tensor' ? externalPlace(fields) : undefined;
    if (place) yield place.get('location') ?? '';
    for (const { number, content } of fields) {
      const inner = WAYS[kind]?.[number];
      if (inner) messages.push([inner, content]);
    }
  }
}
