import { checkedEncoder } from '../encoder/checked.ts';
import { parseObject } from '../encoder/fields.ts';
import { onnxEncoder } from '../encoder/onnx-encoder.ts';
import { type EncoderRecord, parseRecord, RECORD_FILE } from '../encoder/record.ts';
import type { EncoderFiles } from '../encoder/tower.ts';
import type { Encoder } from '../encoder/types.ts';
import type { Engine } from '../engine/types.ts';
import { ModelError } from '../errors.ts';
import { type Downloads, download, downloadOnce } from './download.ts';

/** An encoder's folder below a URL. */
export interface EncoderFolder {
  readonly record: EncoderRecord;
  readonly files: EncoderFiles & { model(path: string): Promise<Uint8Array<ArrayBuffer>> };
  /** The encoder on an engine. Each tower is fetched at its first use, by the `downloads` of that time. */
  open(engine: Engine): Promise<Encoder>;
}

/** Reads an encoder's record. `downloads` is asked at every fetch. */
export async function encoderAt(folder: string, downloads: () => Downloads): Promise<EncoderFolder> {
  const url = new URL(RECORD_FILE, folder).href;
  const record = parseRecord(new TextDecoder().decode(await download(url, RECORD_FILE, downloads())), url);
  const fetched = async (path: string): Promise<Uint8Array<ArrayBuffer>> => {
    const stated = record.files.find((file) => file.path === path);
    if (stated)
      return downloadOnce(new URL(path, folder).href, path, record.fingerprint, stated, downloads());
    throw new ModelError(`The encoder at ${folder} has no ${path}`, {
      code: 'web/no-texts',
      hint: 'A new class needs the text encoder. Export the site again from an encoder with both towers.',
      details: { folder, path },
    });
  };
  const files: EncoderFolder['files'] = {
    model: fetched,
    json: async (path) =>
      record.files.some((file) => file.path === path)
        ? parseObject(new TextDecoder().decode(await fetched(path)), path)
        : undefined,
  };
  return { record, files, open: async (engine) => checkedEncoder(await onnxEncoder(record, files, engine)) };
}
