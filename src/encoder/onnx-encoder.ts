import type { Engine } from '../engine/types.ts';
import { loadPart } from '../load-part.ts';
import type { BuiltTowers } from './dual-encoder.ts';
import { factsOf } from './encoder-facts.ts';
import type { EncoderRecord } from './record.ts';
import { type EncoderFiles, IMAGE_OUTPUTS, imageSide, lazySession } from './tower.ts';
import type { Encoder } from './types.ts';

/** The encoder of a record whose models are ONNX files, or whose towers were built from weights. It runs in a page too. */
export async function onnxEncoder(
  record: EncoderRecord,
  files: EncoderFiles,
  engine: Engine,
  built?: BuiltTowers,
): Promise<Encoder> {
  if (record.kind === 'dual') {
    const { dualEncoder } = await loadPart(() => import('./dual-encoder.ts'));
    return dualEncoder(record, files, engine, built);
  }
  if (record.kind === 'resnet50-minilm') {
    const { builtinEncoder } = await loadPart(() => import('./builtin/encoder.ts'));
    return builtinEncoder(record, files, engine);
  }
  const image = lazySession(engine, files, record.imageModel);
  return {
    ...factsOf(record),
    ...imageSide(record, image, { outputs: IMAGE_OUTPUTS }),
    close: () => image.close(),
  };
}
