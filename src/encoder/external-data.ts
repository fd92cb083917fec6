import { join, posix } from 'node:path';
import { errorAbout, ModelError } from '../errors.ts';
import { fieldsOf, textOf, type WireField } from '../graph/wire.ts';
import { isLfsPointer, LARGEST_POINTER, lfsPointer } from '../store/lfs-pointer.ts';
import { readRegular } from '../store/regular.ts';
import { ENCODER_FILE } from './configuration-files.ts';
import { isInside } from './record.ts';

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

/** Field of a tensor with the place of its external data, as keys and values. */
export const EXTERNAL_DATA = 13;

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

/** The place of a tensor's external data: `location`, `offset` and `length`. Undefined if the model file holds the data. */
export function externalPlace(tensor: readonly WireField[]): ReadonlyMap<string, string> | undefined {
  const entries = tensor.filter(({ number }) => number === EXTERNAL_DATA);
  if (entries.length === 0) return undefined;
  return new Map(
    entries.map(({ content }) => {
      const fields = fieldsOf(content);
      const [key = '', value = ''] = [1, 2].map((wanted) =>
        fields
          .filter(({ number }) => number === wanted)
          .map(textOf)
          .at(-1),
      );
      return [key, value];
    }),
  );
}

/** The location of a model's external data as a path inside the encoder's folder. Throws `ModelError` if it is outside. */
export function externalPath(model: string, location: string): string {
  const path = posix.join(posix.dirname(model), location);
  if (location !== '' && !posix.isAbsolute(location) && isInside(path)) return path;
  throw new ModelError(`${model} keeps weights in "${location}", which is outside of the encoder's folder`, {
    code: 'encoder/external-data',
    hint: 'Export the model with its weights in a file beside it.',
    details: { model, location },
  });
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
