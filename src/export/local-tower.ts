import { join } from 'node:path';
import { withClip } from '../encoder/clip/sessions.ts';
import { imageGraph } from '../encoder/clip/towers.ts';
import { ENCODER_FILE } from '../encoder/configuration-files.ts';
import { isWeights } from '../encoder/dual-files.ts';
import { folderFiles } from '../encoder/folder-files.ts';
import type { LocalEncoder } from '../encoder/installed.ts';
import type { EncoderRecord } from '../encoder/record.ts';
import { withVision } from '../encoder/vision/encoder.ts';
import { visionGraph } from '../encoder/vision/tower.ts';
import { toOnnx } from '../graph/onnx.ts';
import { readRegular } from '../store/regular.ts';
import { type ImageTower, imageTower } from './image-tower.ts';

/** The image tower of an encoder on disk. It is built from weights, or taken from an ONNX file. */
export async function localTower({ record, folder }: LocalEncoder): Promise<ImageTower> {
  const model = (path: string) => readRegular(join(folder, path), ENCODER_FILE);
  const built = isWeights(record.imageModel) ? await builtTower(record, folder) : undefined;
  return imageTower(record, { ...folderFiles(folder), model }, built);
}

/** The image tower that is built from weights, as ONNX. */
export async function builtTower(record: EncoderRecord, folder: string): Promise<Uint8Array> {
  if (record.kind === 'vision')
    return withVision(record, folder, async ({ checkpoint, shape }) =>
      toOnnx(await visionGraph(checkpoint, shape)),
    );
  return withClip(record, folder, async (checkpoint, { shape }) =>
    toOnnx(await imageGraph(checkpoint, shape)),
  );
}
