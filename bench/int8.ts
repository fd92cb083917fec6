import { availableParallelism } from 'node:os';
import { imageGraph } from '../src/encoder/clip/towers.ts';
import { locateEncoder } from '../src/encoder/load.ts';
import { createEngine } from '../src/engine/node.ts';
import { localTower } from '../src/export/local-tower.ts';
import { encodeModel, parseModel } from '../src/export/onnx-model.ts';
import { quantised } from '../src/export/quantise.ts';
import { toOnnx } from '../src/graph/onnx.ts';
import { random } from '../src/math/random.ts';
import { floatTensor } from '../src/math/tensor.ts';
import { randomVit } from './clip.ts';
import { alternate, milliseconds, ratio } from './measure.ts';

const BATCHES = [1, 4];

/** Time of image towers with 8-bit weights beside the same in single precision: CLIP's ViT-B/32 (random weights) and the built-in ResNet50. */
export async function benchInt8(): Promise<string[]> {
  const engine = createEngine();
  const { checkpoint, shape } = randomVit();
  const builtin = await localTower(await locateEncoder('resnet50-minilm', { engine }));
  const towers = {
    'ViT-B/32': toOnnx(await imageGraph(checkpoint, shape)),
    'built-in ResNet50': encodeModel(builtin.model, {}),
  };
  const lines: string[] = [];
  try {
    for (const [name, bytes] of Object.entries(towers)) {
      const small = encodeModel(quantised(parseModel(bytes)).model, {});
      const [whole, rounded] = [await engine.load(bytes), await engine.load(small)];
      lines.push(
        `${name}, ${availableParallelism()} threads: ${(small.length / 1e6).toFixed(1)} MB instead of ${(bytes.length / 1e6).toFixed(1)}`,
      );
      for (const batch of BATCHES) {
        const noise = random('pixels', batch);
        const pixel_values = floatTensor(
          [batch, 3, 224, 224],
          Float32Array.from({ length: batch * 3 * 224 * 224 }, () => noise.uniform() - 0.5),
        );
        const { single, int8 } = await alternate(
          { single: () => whole.run({ pixel_values }), int8: () => rounded.run({ pixel_values }) },
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
