import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encoderFolder } from './installed.ts';
import { type EncoderRecord, type PairRecord, RECORD_FILE } from './record.ts';
import { CLIP_DEFAULTS } from './registry.ts';

/** The record of an encoder of two towers, without its models. */
export function recordOf(id: string): PairRecord {
  return {
    format: 1,
    id,
    kind: 'dual',
    source: 'test',
    licence: 'MIT',
    precision: 'fp32',
    fingerprint: '0'.repeat(64),
    dimension: 4,
    logitScale: 100,
    preprocessing: {
      resize: 'shortest',
      resizeTo: 8,
      crop: 8,
      filter: 'bicubic',
      channels: 'rgb',
      layout: 'nchw',
      scale: 1,
      mean: [0, 0, 0],
      std: [1, 1, 1],
    },
    text: { cleaning: 'clip', length: 77, padding: 'fixed', pad: 0 },
    defaults: CLIP_DEFAULTS,
    imageModel: 'a.onnx',
    textModel: 'b.onnx',
    files: [],
  };
}

/** Writes the record of an encoder, without its models, into the home. */
export async function writeRecord(id: string, kind: EncoderRecord['kind'] = 'dual'): Promise<void> {
  await mkdir(encoderFolder(id), { recursive: true });
  await writeFile(join(encoderFolder(id), RECORD_FILE), JSON.stringify({ ...recordOf(id), kind }));
}
