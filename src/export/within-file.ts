import { join } from 'node:path';
import { ENCODER_FILE } from '../encoder/configuration-files.ts';
import { EXTERNAL_DATA, externalPath, externalPlace } from '../encoder/external-data.ts';
import { bytesField, Message } from '../graph/protobuf.ts';
import { fieldsOf } from '../graph/wire.ts';
import { readRegular } from '../store/regular.ts';
import type { Named } from './onnx-model.ts';

const RAW_DATA = 9;
const DATA_LOCATION = 14;

/** Copies a weight from an external file into the model. */
export async function withinFile(weight: Named, folder: string, model: string): Promise<Named> {
  const fields = fieldsOf(weight.bytes);
  const place = externalPlace(fields);
  if (!place) return weight;
  const path = externalPath(model, place.get('location') ?? '');
  const file = await readRegular(join(folder, path), ENCODER_FILE);
  const start = Number(place.get('offset') ?? 0);
  const tensor = new Message();
  for (const { number, raw } of fields)
    if (number !== EXTERNAL_DATA && number !== DATA_LOCATION) tensor.push(raw);
  bytesField(tensor, RAW_DATA, file.subarray(start, start + Number(place.get('length') ?? file.length)));
  return { name: weight.name, bytes: tensor.bytes() };
}
