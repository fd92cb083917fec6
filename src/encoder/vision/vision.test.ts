import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createEngine } from '../../engine/node.ts';
import type { Tensor } from '../../math/tensor.ts';
import { parseSafetensors } from '../../store/safetensors.ts';
import { openWeights } from '../clip/checkpoint.ts';
import type { VisionFamily } from './configuration.ts';
import { visionFacts } from './facts.ts';
import { visionGraph } from './tower.ts';

const engine = createEngine({ threads: 1 });
afterAll(() => engine.close());

const golden = join(import.meta.dirname, '../../../../shared/golden/families');

describe.skipIf(!existsSync(golden))('picture-only models (../shared/golden/families)', () => {
  it.each([
    ['hf-dinov2', [32, 48]],
    ['hf-dinov2-registers', [32, 48]],
    ['hf-dinov2-swiglu', [32]],
    ['hf-dinov3-vit', [32, 48]],
  ] as const)('%s is computed as PyTorch does, at %s pixels', async (folder, sizes) => {
    const read = (name: string) =>
      parseSafetensors(readFileSync(join(golden, folder, `${name}.safetensors`))).tensors;
    const [inputs, outputs] = [read('inputs'), read('outputs')];
    const config = JSON.parse(readFileSync(join(golden, folder, 'config.json'), 'utf8'));
    for (const size of sizes) {
      const files: Record<string, unknown> = {
        'config.json': config,
        'preprocessor_config.json': { image_processor_type: 'BitImageProcessor', size, crop_size: size },
      };
      const stored = await openWeights(join(golden, folder, 'model.safetensors'));
      const { shape, checkpoint } = visionFacts(
        stored,
        config.model_type as VisionFamily,
        (path) => files[path] as never,
      );
      const session = await engine.compile(await visionGraph(checkpoint, shape));
      await stored.close();
      const suffix = size === 32 ? '' : `_${size}`;
      const { image_embeds } = await session.run({
        pixel_values: inputs.get(`pixel_values${suffix}`) as Tensor,
      });
      expect(difference(image_embeds!, outputs.get(`pooler_output${suffix}`) as Tensor)).toBeLessThan(1e-5);
    }
  });
});

/** Largest difference, as a share of the largest magnitude. */
function difference(got: Tensor, wanted: Tensor): number {
  const [a, b] = [got.data as Float32Array, wanted.data as Float64Array];
  expect(a.length).toBe(b.length);
  let [worst, largest] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    worst = Math.max(worst, Math.abs(a[i]! - b[i]!));
    largest = Math.max(largest, Math.abs(b[i]!));
  }
  return worst / largest;
}
