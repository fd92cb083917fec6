import type { Engine } from '../engine/types.ts';
import { builtinEncoder } from './builtin/encoder.ts';
import { dualEncoder } from './dual-encoder.ts';
import type { EncoderRecord } from './record.ts';
import type { Encoder } from './types.ts';
import { visionEncoder } from './vision/encoder.ts';

/** The encoder of a record and its folder. Each tower is loaded at its first use. */
export function encoderOf(record: EncoderRecord, folder: string, engine: Engine): Encoder {
  if (record.kind === 'vision') return visionEncoder(record, folder, engine);
  return (record.kind === 'dual' ? dualEncoder : builtinEncoder)(record, folder, engine);
}
