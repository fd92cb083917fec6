import type { Engine } from '../engine/types.ts';
import { isWeights } from './dual-files.ts';
import { folderFiles } from './folder-files.ts';
import { onnxEncoder } from './onnx-encoder.ts';
import type { EncoderRecord } from './record.ts';
import { lazyTokenizer, tokenizerPlace } from './tower.ts';
import type { Encoder } from './types.ts';

/** The encoder of a record and its folder. Each tower is loaded at its first use. */
export async function encoderOf(record: EncoderRecord, folder: string, engine: Engine): Promise<Encoder> {
  const files = folderFiles(folder);
  if (!isWeights(record.imageModel)) return onnxEncoder(record, files, engine);
  if (record.kind === 'vision') {
    const { visionEncoder } = await import('./vision/encoder.ts');
    return visionEncoder(record, folder, engine);
  }
  const { clipSessions } = await import('./clip/sessions.ts');
  const tokenizer = lazyTokenizer(files, record.text, tokenizerPlace(record));
  return onnxEncoder(record, files, engine, clipSessions(record, folder, engine, tokenizer));
}
