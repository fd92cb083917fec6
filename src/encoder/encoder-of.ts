import type { Engine } from '../engine/types.ts';
import { clipSessions } from './clip/sessions.ts';
import { tokenizerPlace } from './dual-encoder.ts';
import { isWeights } from './dual-files.ts';
import { folderFiles } from './folder-files.ts';
import { onnxEncoder } from './onnx-encoder.ts';
import type { EncoderRecord } from './record.ts';
import { lazyTokenizer } from './tower.ts';
import type { Encoder } from './types.ts';
import { visionEncoder } from './vision/encoder.ts';

/** The encoder of a record and its folder. Each tower is loaded at its first use. */
export function encoderOf(record: EncoderRecord, folder: string, engine: Engine): Encoder {
  const files = folderFiles(folder);
  if (!isWeights(record.imageModel)) return onnxEncoder(record, files, engine);
  if (record.kind === 'vision') return visionEncoder(record, folder, engine);
  const tokenizer = lazyTokenizer(files, record.text, tokenizerPlace(record));
  return onnxEncoder(record, files, engine, clipSessions(record, folder, engine, tokenizer));
}
