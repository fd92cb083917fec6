import type { Engine } from '../engine/types.ts';
import { builtinEncoder } from './builtin/encoder.ts';
import { type BuiltTowers, dualEncoder, IMAGE_OUTPUTS } from './dual-encoder.ts';
import { factsOf } from './encoder-facts.ts';
import type { EncoderRecord } from './record.ts';
import { type EncoderFiles, imageSide, lazySession } from './tower.ts';
import type { Encoder } from './types.ts';

/** The encoder of a record whose models are ONNX files, or whose towers were built from weights. It runs in a page too. */
export function onnxEncoder(
  record: EncoderRecord,
  files: EncoderFiles,
  engine: Engine,
  built?: BuiltTowers,
): Encoder {
  if (record.kind === 'dual') return dualEncoder(record, files, engine, built);
  if (record.kind === 'resnet50-minilm') return builtinEncoder(record, files, engine);
  const image = lazySession(engine, files, record.imageModel);
  return {
    ...factsOf(record),
    ...imageSide(record, image, { outputs: IMAGE_OUTPUTS }),
    close: () => image.close(),
  };
}
