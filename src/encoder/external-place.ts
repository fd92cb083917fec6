import { ModelError } from '../errors.ts';
import { fieldsOf, textOf, type WireField } from '../graph/wire.ts';
import { isInside } from './record.ts';

/** Field of a tensor with the place of its external data, as keys and values. */
export const EXTERNAL_DATA = 13;

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
  const parts = model.split('/').slice(0, -1);
  let isOutside = location === '' || location.startsWith('/');
  for (const part of location.split('/')) {
    if (part === '..') isOutside ||= parts.pop() === undefined;
    else if (part !== '' && part !== '.') parts.push(part);
  }
  const path = parts.join('/');
  if (!isOutside && isInside(path)) return path;
  throw new ModelError(`${model} keeps weights in "${location}", which is outside of the encoder's folder`, {
    code: 'encoder/external-data',
    hint: 'Export the model with its weights in a file beside it.',
    details: { model, location },
  });
}
