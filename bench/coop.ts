import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';

import { join } from 'node:path';
import { CLIP_TEXT, encodeEmbeddings } from '../src/encoder/clip/text-transformer.ts';
import { asInputs } from '../src/encoder/clip/towers.ts';
import { loadEncoder } from '../src/encoder/load.ts';
import { createEngine } from '../src/engine/node.ts';
import type { Engine } from '../src/engine/types.ts';
import { matrix, unitRows } from '../src/math/matrix.ts';
import { random } from '../src/math/random.ts';
import { floatTensor, sizeOf, type Tensor } from '../src/math/tensor.ts';
import { contextTraining, promptsOf } from '../src/methods/coop.ts';
import type { TaskWith } from '../src/methods/method.ts';
import { plainSupport } from '../src/methods/task.ts';
import type { TextTower } from '../src/methods/text-tower.ts';
import { train } from '../src/methods/train.ts';
import { milliseconds } from './measure.ts';

const [BATCH, CONTEXT] = [32, 16];
const MIB = 2 ** 20;
const SHARED = join(import.meta.dirname, '../../shared');

/** Times steps of CoOp's training (16 learnt words, batch 32) with the tiny CLIP's text tower and with one of ViT-B/32's size. */
export async function benchCoop(): Promise<string[]> {
  const lines = [`CoOp, ${CONTEXT} learnt words, batch ${BATCH}, ${availableParallelism()} threads`];
  const engine = createEngine();
  const tiny = await tinyTower(engine);
  if (tiny) lines.push(await steps('tiny CLIP (width 64, 2 blocks)', engine, tiny, 64, 100, 20));
  else lines.push('  the tiny CLIP is not measured: ../shared/golden is not there');
  const full = randomTower();
  const title = "ViT-B/32's text tower (width 512, 12 blocks), random weights";
  lines.push(await steps(title, engine, full, 512, 10, 5), await steps(title, engine, full, 512, 100, 2));
  await engine.close();
  return lines;
}

/** Times steps of a training after the first, and samples the process's memory. */
async function steps(
  title: string,
  engine: Engine,
  tower: TextTower,
  dimension: number,
  classes: number,
  count: number,
): Promise<string> {
  const before = process.memoryUsage.rss();
  let peak = before;
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, 20);
  const times: number[] = [];
  let last = 0;
  const task: TaskWith<'text' | 'text-tower'> = {
    ...randomTask(classes, dimension, BATCH * (count + 1)),
    textTower: { tower, names: Array.from({ length: classes }, (_, c) => `class ${c}`) },
    engine,
    onProgress: () => {
      const now = performance.now();
      if (last > 0) times.push(now - last);
      last = now;
    },
  };
  const prompts = promptsOf(task, { context: CONTEXT, position: 'end' });
  await train(task, contextTraining(task, { epochs: 1, rate: 2e-3, batch: BATCH }, prompts));
  clearInterval(watch);
  const tokens = prompts.fixed.shape[1];
  const memory = Math.round((peak - before) / MIB);
  return `  ${title}, ${classes} classes x ${tokens} tokens: ${milliseconds(times)} a step, ${memory} MiB above the process with its weights`;
}

function randomTask(classes: number, dimension: number, examples: number): TaskWith<'text'> {
  const { normal } = random('coop', classes);
  const noise = (rows: number) =>
    unitRows(matrix(rows, dimension, Float32Array.from({ length: rows * dimension }, normal)));
  const text = noise(classes);
  const labels = Int32Array.from({ length: examples }, (_, i) => i % classes);
  const promptClass = Int32Array.from({ length: classes }, (_, c) => c);
  return {
    classes,
    dimension,
    support: plainSupport(noise(examples), labels),
    head: { weights: text, promptFeatures: text, promptClass, logitScale: 100 },
    seed: 1,
  };
}

async function tinyTower(engine: Engine): Promise<TextTower | undefined> {
  const weights = join(SHARED, 'golden/tiny_clip_vit/openai.safetensors');
  if (!existsSync(weights)) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'coop-'));
  cpSync(weights, join(folder, 'open_clip_model.safetensors'));
  const model_cfg = { quick_gelu: true, text_cfg: { heads: 1 } };
  writeFileSync(join(folder, 'open_clip_config.json'), JSON.stringify({ model_cfg }));
  cpSync(join(SHARED, 'data/tokenizer/tokenizer.json'), join(folder, 'tokenizer.json'));
  const encoder = await loadEncoder(folder, { engine });
  const tower = await encoder.textTower?.();
  await encoder.close();
  rmSync(folder, { recursive: true, force: true });
  return tower;
}

/** A text tower with ViT-B/32's shapes. Words are hashed to rows of a small table. */
function randomTower(): TextTower {
  const rules = { activation: 'quick_gelu', epsilon: 1e-5 } as const;
  const shape = { ...rules, ...CLIP_TEXT, context: 77, width: 512, vocabulary: 49408, blocks: 12, heads: 8 };
  const { width } = shape;
  const shapes = new Map<string, readonly number[]>([
    ['positional_embedding', [shape.context, width]],
    ['text_projection', [width, 512]],
  ]);
  const pair = (name: string, out: number, inputs?: number) => {
    shapes.set(`${name}.weight`, inputs ? [out, inputs] : [out]);
    shapes.set(`${name}.bias`, [out]);
  };
  pair('ln_final', width);
  for (let i = 0; i < shape.blocks; i++) {
    const block = `transformer.resblocks.${i}`;
    for (const part of ['q_proj', 'k_proj', 'v_proj', 'out_proj'])
      pair(`${block}.attn.${part}`, width, width);
    for (const name of ['ln_1', 'ln_2']) pair(`${block}.${name}`, width);
    pair(`${block}.mlp.c_fc`, 4 * width, width);
    pair(`${block}.mlp.c_proj`, width, 4 * width);
  }
  const { uniform } = random('tower');
  const noise = (size: number) => Float32Array.from({ length: size }, () => 0.04 * (uniform() - 0.5));
  const table = noise(1000 * width);
  const weights = Object.fromEntries(
    [...shapes].map(([name, dims]): [string, Tensor] => [
      `clip.${name}`,
      floatTensor(dims, noise(sizeOf(dims))),
    ]),
  );
  const hash = (word: string) =>
    Array.from(word).reduce((h, letter) => (31 * h + letter.charCodeAt(0)) % 997, 7);
  return {
    width,
    context: shape.context,
    tokenize: (text) => Int32Array.of(998, ...(text.match(/\w+|[^\w\s]/g) ?? []).map(hash), 999),
    embedTokens: (ids) => {
      const rows = matrix(ids.length, width);
      ids.forEach((id, i) => {
        rows.data.set(table.subarray(id * width, (id + 1) * width), i * width);
      });
      return rows;
    },
    encode: (embeddings, end) => encodeEmbeddings(embeddings, end, asInputs({ shapes }), shape),
    weights,
  };
}
