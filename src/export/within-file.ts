import { EXTERNAL_DATA, externalPath, externalPlace } from '../encoder/external-place.ts';
import { bytesField, Message } from '../graph/protobuf.ts';
import { fieldsOf } from '../graph/wire.ts';
import type { Named } from './onnx-model.ts';

const RAW_DATA = 9;
const DATA_LOCATION = 14;

/** The weights of a model, with those of external files inside. `read` gives the bytes of a file of the encoder. */
export async function withinFile(
  weights: readonly Named[],
  model: string,
  read: (path: string) => Promise<Uint8Array>,
): Promise<Named[]> {
  const files = new Map<string, Promise<Uint8Array>>();
  const fileAt = (path: string) => {
    const file = files.get(path) ?? read(path);
    files.set(path, file);
    return file;
  };
  return Promise.all(
    weights.map(async (weight) => {
      const fields = fieldsOf(weight.bytes);
      const place = externalPlace(fields);
      if (!place) return weight;
      const file = await fileAt(externalPath(model, place.get('location') ?? ''));
      const start = Number(place.get('offset') ?? 0);
      const tensor = new Message();
      for (const { number, raw } of fields)
        if (number !== EXTERNAL_DATA && number !== DATA_LOCATION) tensor.push(raw);
      const length = Number(place.get('length') ?? file.length);
      bytesField(tensor, RAW_DATA, file.subarray(start, start + length));
      return { name: weight.name, bytes: tensor.bytes() };
    }),
  );
}
