import { availableParallelism } from 'node:os';
import { imageGraph, textGraph } from '../src/encoder/clip/towers.ts';
import { locateEncoder } from '../src/encoder/load.ts';
import { createEngine } from '../src/engine/node.ts';
import { localTower } from '../src/export/local-tower.ts';
import { encodeModel, parseModel } from '../src/export/onnx-model.ts';
import { quantised } from '../src/export/quantise.ts';
import { toOnnx } from '../src/graph/onnx.ts';
import { random } from '../src/math/random.ts';
import { floatTensor, type Tensor } from '../src/math/tensor.ts';
import { CONTEXT, randomVit, VOCABULARY } from './clip.ts';
import { alternate, milliseconds, ratio } from './measure.ts';

const BATCHES = [1, 4];
const [START, END] = [VOCABULARY - 2, VOCABULARY - 1];

/**
 * Time of towers with 8-bit weights beside the same in single precision: both towers of CLIP's ViT-B/32 (random weights) and the image tower of
 * the built-in encoder. Its text tower is published in 8 bits only.
 */
export async function benchInt8(): Promise<string[]> {
  const engine = createEngine();
  const { checkpoint, shape } = randomVit();
  const builtin = await localTower(await locateEncoder('resnet50-minilm', { engine }));
  const towers: Record<string, { bytes: Uint8Array; feeds: (batch: number) => Record<string, Tensor> }> = {
    'ViT-B/32, pictures': { bytes: toOnnx(await imageGraph(checkpoint, shape)), feeds: pictures },
    'ViT-B/32, texts': { bytes: toOnnx(await textGraph(checkpoint, shape)), feeds: texts },
    'built-in ResNet50, pictures': { bytes: encodeModel(builtin.model, {}), feeds: pictures },
  };
  const lines: string[] = [];
  try {
    for (const [name, { bytes, feeds }] of Object.entries(towers)) {
      const small = encodeModel(quantised(parseModel(bytes)).model, {});
      const [whole, rounded] = [await engine.load(bytes), await engine.load(small)];
      lines.push(
        `${name}, ${availableParallelism()} threads: ${(small.length / 1e6).toFixed(1)} MB instead of ${(bytes.length / 1e6).toFixed(1)}`,
      );
      for (const batch of BATCHES) {
        const given = feeds(batch);
        const { single, int8 } = await alternate(
          { single: () => whole.run(given), int8: () => rounded.run(given) },
          15,
        );
        lines.push(
          `  batch ${batch}: single precision ${milliseconds(single)}, 8 bits ${milliseconds(int8)}; 8 bits take ${ratio(int8, single)} of it`,
        );
      }
      await Promise.all([whole.close(), rounded.close()]);
    }
  } finally {
    await engine.close();
  }
  return lines;
}

function pictures(batch: number): Record<string, Tensor> {
  const noise = random('pixels', batch);
  const data = Float32Array.from({ length: batch * 3 * 224 * 224 }, () => noise.uniform() - 0.5);
  return { pixel_values: floatTensor([batch, 3, 224, 224], data) };
}

/** Texts of ten tokens, padded as CLIP's are. */
function texts(batch: number): Record<string, Tensor> {
  const noise = random('tokens', batch);
  const token = (at: number) => (at === 0 ? START : at < 11 ? noise.integer(START) : at === 11 ? END : 0);
  const data = BigInt64Array.from({ length: batch * CONTEXT }, (_, i) => BigInt(token(i % CONTEXT)));
  return { input_ids: { dtype: 'int64', shape: [batch, CONTEXT], data } };
}
