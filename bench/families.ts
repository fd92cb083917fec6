import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCheckpoint, openWeights } from '../src/encoder/clip/checkpoint.ts';
import { clipFacts } from '../src/encoder/clip/facts.ts';
import { imageGraph, textGraph } from '../src/encoder/clip/towers.ts';
import type { Json } from '../src/encoder/fields.ts';
import { visionFamily } from '../src/encoder/vision/configuration.ts';
import { visionFacts } from '../src/encoder/vision/facts.ts';
import { visionGraph } from '../src/encoder/vision/tower.ts';
import { createEngine } from '../src/engine/node.ts';
import type { Engine, WeightFiles } from '../src/engine/types.ts';
import type { Expr } from '../src/graph/expression.ts';
import type { Tensor } from '../src/math/tensor.ts';
import { renderMarkdown } from '../src/report/table.ts';
import { parseSafetensors } from '../src/store/safetensors.ts';
import { TORCH_PYTHON } from './python.ts';

const SCRIPT = join(import.meta.dirname, 'families.py');

/** Models of the published shapes, each with the argument of the script. */
const CASES = {
  'CLIP ViT-B/32 (Hugging Face)': 'clip',
  'CLIP ViT-B/32, QuickGELU (open_clip)': 'ViT-B-32-quickgelu',
  'CLIP ViT-B/16, exact GELU (open_clip)': 'ViT-B-16',
  'CLIP RN50 (open_clip)': 'RN50-quickgelu',
  'CLIP ConvNeXt-B, wide, 256 pixels (open_clip, timm)': 'convnext_base_w',
  'CLIP ConvNeXt-L, 256 pixels (open_clip, timm)': 'convnext_large_d',
  'EVA-02 B/16 (open_clip, timm)': 'EVA02-B-16',
  'EVA-02 L/14, 336 pixels (open_clip, timm)': 'EVA02-L-14-336',
  'PE-Core S/16, 384 pixels (open_clip, timm)': 'PE-Core-S-16-384',
  'PE-Core B/16 (open_clip, timm)': 'PE-Core-B-16',
  'CLIPA ViT-L/14 (open_clip, own text tower)': 'ViT-L-14-CLIPA',
  'SigLIP ViT-B/16 (Hugging Face)': 'siglip',
  'SigLIP ViT-B/16 (open_clip, timm)': 'ViT-B-16-SigLIP',
  'SigLIP 2 ViT-B/16, 256 pixels (Hugging Face)': 'siglip2',
  'DINOv2-S/14, trained at 518, used at 224': 'dinov2',
  'DINOv2-S/14 with registers, trained at 518, used at 224': 'dinov2-registers',
  'DINOv3-S/16': 'dinov3',
  'DINOv3-S/16, gated': 'dinov3-gated',
  'ViT-B/16': 'vit',
} as const;

/** Names of the cases as flags. */
export const FLAGS: readonly string[] = Object.values(CASES).map((name) => `--${name}`);

interface Row {
  readonly model: string;
  readonly picture: string;
  readonly text: string;
  readonly how: string;
}

/**
 * Largest differences between the towers from weights and PyTorch's, for random weights of the published shapes. `flags` are some of
 * `FLAGS`; by default all.
 */
export async function benchFamilies(flags: readonly string[]): Promise<string[]> {
  const wanted = flags.map((flag) => flag.replace(/^--/, ''));
  const engine = createEngine();
  const rows: Row[] = [];
  try {
    for (const [model, name] of Object.entries(CASES)) {
      if (wanted.length > 0 && !wanted.includes(name)) continue;
      const folder = mkdtempSync(join(tmpdir(), 'families-'));
      try {
        const how = written(name, folder);
        const row = { model, how, ...(how.startsWith('not') ? NOT : await compared(folder, engine)) };
        console.log(JSON.stringify(row));
        rows.push(row);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    }
  } finally {
    await engine.close();
  }
  return renderMarkdown({
    rows,
    columns: [
      { title: 'Model', value: (row: Row) => row.model },
      { title: 'Pictures', value: (row: Row) => row.picture },
      { title: 'Texts', value: (row: Row) => row.text },
      { title: 'Compared with', value: (row: Row) => row.how },
    ],
  }).split('\n');
}

const NOT = { picture: '', text: '' };

/** Has PyTorch write a model. Returns its versions, or why it could not. */
function written(name: string, folder: string): string {
  try {
    return execFileSync(TORCH_PYTHON, [SCRIPT, name, folder], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    })
      .trim()
      .split('\n')
      .at(-1)!;
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string };
    return `not compared: ${stderr.trim().split('\n').at(-1)!.slice(0, 200)}`;
  }
}

async function compared(folder: string, engine: Engine): Promise<Pick<Row, 'picture' | 'text'>> {
  const read = (path: string): Json | undefined => {
    const file = join(folder, path);
    return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
  };
  const tensors = (name: string) =>
    parseSafetensors(Uint8Array.from(readFileSync(join(folder, `${name}.safetensors`)))).tensors;
  const [inputs, outputs] = [tensors('inputs'), tensors('outputs')];
  const difference = async (
    graph: Record<string, Expr>,
    weights: WeightFiles | undefined,
    input: string,
    output: string,
  ): Promise<string> => {
    const session = await engine.compile(graph, { weights });
    const results = await session.run({ [input]: inputs.get(input) as Tensor });
    await session.close();
    return share(results[output]!, outputs.get(output)!).toExponential(0);
  };
  const family = visionFamily(read);
  if (family) {
    const stored = await openWeights(join(folder, 'model.safetensors'));
    const { checkpoint, shape } = visionFacts(stored, family, read);
    const { files } = checkpoint;
    const graph = await visionGraph(checkpoint, shape, files);
    await stored.close();
    return { picture: await difference(graph, files, 'pixel_values', 'image_embeds'), text: 'none' };
  }
  const file = ['model.safetensors', 'open_clip_model.safetensors'].find((path) =>
    existsSync(join(folder, path)),
  );
  const checkpoint = await openCheckpoint(join(folder, file!));
  const { shape } = await clipFacts(checkpoint, read);
  const { files } = checkpoint;
  const picture = await difference(
    await imageGraph(checkpoint, shape, files),
    files,
    'pixel_values',
    'image_embeds',
  );
  const text = await difference(await textGraph(checkpoint, shape, files), files, 'input_ids', 'text_embeds');
  await checkpoint.close();
  return { picture, text };
}

/** Largest difference, as a share of the largest number. */
function share(got: Tensor, wanted: Tensor): number {
  const [a, b] = [got.data as Float32Array, wanted.data as Float32Array];
  let worst = 0;
  let largest = 0;
  for (let i = 0; i < b.length; i++) {
    worst = Math.max(worst, Math.abs(a[i]! - b[i]!));
    largest = Math.max(largest, Math.abs(b[i]!));
  }
  return worst / largest;
}
