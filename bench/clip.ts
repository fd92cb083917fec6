import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { CLIP_TEXT } from '../src/encoder/clip/text-transformer.ts';
import { imageGraph } from '../src/encoder/clip/towers.ts';
import { CLIP_VIT } from '../src/encoder/clip/vit.ts';
import type { Checkpoint, ClipShape } from '../src/encoder/clip/weights.ts';
import { createEngine } from '../src/engine/node.ts';
import { random } from '../src/math/random.ts';
import { floatTensor, sizeOf } from '../src/math/tensor.ts';
import { alternate, milliseconds, ratio } from './measure.ts';
import { DEBIAN_PYTHON } from './python.ts';

const BATCH = 16;
const [WIDTH, TEXT_WIDTH, BLOCKS, EMBED] = [768, 512, 12, 512];
/** Tokens of a text, and of the vocabulary. */
export const [CONTEXT, VOCABULARY] = [77, 49_408];
const EXPORTER = join(import.meta.dirname, '../../shared/peers/export_dual_encoder.py');

/** Times CLIP's ViT-B/32 image tower built from (random) weights, alternating with PyTorch's export of the same tower. */
export async function benchClip(): Promise<string[]> {
  const engine = createEngine();
  const { checkpoint, shape } = randomVit();
  const own = await engine.compile(await imageGraph(checkpoint, shape));
  const noise = random('pixels');
  const pixel_values = floatTensor(
    [BATCH, 3, 224, 224],
    Float32Array.from({ length: BATCH * 3 * 224 * 224 }, () => noise.uniform() - 0.5),
  );
  const folder = mkdtempSync(join(tmpdir(), 'vit-b-32-'));
  try {
    const reason = exported(folder);
    const title = `ViT-B/32 image tower, batch ${BATCH}, ${availableParallelism()} threads`;
    if (reason) {
      const { ours } = await alternate({ ours: () => own.run({ pixel_values }) }, 7);
      return [title, `  from weights ${milliseconds(ours)}`, `  ${reason}`];
    }
    const peer = await engine.load(join(folder, 'vision_model.onnx'));
    const times = await alternate(
      { ours: () => own.run({ pixel_values }), peer: () => peer.run({ pixel_values }) },
      9,
    );
    return [
      title,
      `  from weights      ${milliseconds(times.ours)}`,
      `  PyTorch's export  ${milliseconds(times.peer)}; ours takes ${ratio(times.ours, times.peer)} of it (at most 1.1)`,
    ];
  } finally {
    await engine.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function exported(folder: string): string | undefined {
  if (!existsSync(EXPORTER))
    return "PyTorch's export is not measured: ../shared/peers/export_dual_encoder.py is not there";
  try {
    execFileSync(DEBIAN_PYTHON, [EXPORTER, folder, '--size', 'vit-b-32'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return "PyTorch's export is not measured: python3-torch is not installed";
  }
}

/** The shapes of OpenAI's ViT-B/32, with random weights of a similar size. */
export function randomVit(): { checkpoint: Checkpoint; shape: ClipShape } {
  const shapes = new Map<string, readonly number[]>([
    ['visual.conv1.weight', [WIDTH, 3, 32, 32]],
    ['visual.class_embedding', [WIDTH]],
    ['visual.positional_embedding', [50, WIDTH]],
    ['visual.proj', [WIDTH, EMBED]],
    ['token_embedding.weight', [VOCABULARY, TEXT_WIDTH]],
    ['positional_embedding', [CONTEXT, TEXT_WIDTH]],
    ['text_projection', [TEXT_WIDTH, EMBED]],
  ]);
  const pair = (name: string, out: number, inputs?: number) => {
    shapes.set(`${name}.weight`, inputs ? [out, inputs] : [out]);
    shapes.set(`${name}.bias`, [out]);
  };
  for (const name of ['ln_pre', 'ln_post']) pair(`visual.${name}`, WIDTH);
  pair('ln_final', TEXT_WIDTH);
  for (const [tower, width] of [
    ['visual.transformer', WIDTH],
    ['transformer', TEXT_WIDTH],
  ] as const)
    for (let i = 0; i < BLOCKS; i++) {
      const block = `${tower}.resblocks.${i}`;
      for (const part of ['q_proj', 'k_proj', 'v_proj', 'out_proj'])
        pair(`${block}.attn.${part}`, width, width);
      for (const name of ['ln_1', 'ln_2']) pair(`${block}.${name}`, width);
      pair(`${block}.mlp.c_fc`, 4 * width, width);
      pair(`${block}.mlp.c_proj`, width, 4 * width);
    }
  const noise = random('weights');
  const checkpoint: Checkpoint = {
    shapes,
    tensor: async (name) => {
      const shape = shapes.get(name) as readonly number[];
      return floatTensor(
        shape,
        Float32Array.from({ length: sizeOf(shape) }, () => 0.04 * (noise.uniform() - 0.5)),
      );
    },
    close: async () => {},
  };
  const rules = { activation: 'quick_gelu', epsilon: 1e-5 } as const;
  const image = {
    ...rules,
    ...CLIP_VIT,
    kind: 'vit',
    size: 224,
    patch: 32,
    width: WIDTH,
    blocks: BLOCKS,
    heads: 12,
  } as const;
  const text = {
    ...{ ...rules, ...CLIP_TEXT, context: CONTEXT, width: TEXT_WIDTH },
    ...{ vocabulary: VOCABULARY, blocks: BLOCKS, heads: 8 },
  };
  return { checkpoint, shape: { image, text, dimension: EMBED } };
}
