import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadEncoder } from '../encoder/load.ts';
import { createEngine } from '../engine/node.ts';
import { constantRate } from '../engine/training/schedule.ts';
import { matrix } from '../math/matrix.ts';
import type { Tensor } from '../math/tensor.ts';
import { contextTraining, coOp, promptsOf } from './coop.ts';
import { expectClose, goldenMatrix, goldenNumbers, goldenTensors, smallTask } from './golden.fixture.ts';
import { letterTower } from './letter-tower.fixture.ts';
import type { TaskWith } from './method.ts';
import { checkNeeds } from './needs.ts';
import { plainSupport } from './task.ts';
import type { TextTower } from './text-tower.ts';
import { train } from './train.ts';

const engine = createEngine({ threads: 1 });
afterAll(() => engine.close());
const asMatrix = ({ shape, data }: Tensor) => matrix(shape[0]!, shape[1]!, data as Float32Array);

describe('CoOp', () => {
  const names = ['ant', 'bee', 'cow', 'dog', 'emu', 'fox'];
  const task: TaskWith<'text' | 'text-tower'> = {
    ...smallTask,
    textTower: { tower: letterTower(32), names },
  };
  const options = {
    context: 4,
    classSpecific: false,
    position: 'end',
    rate: 0.05,
    batch: 16,
    epochs: 8,
  } as const;

  it('learns words that fit the examples better, and the same words on both engines', async () => {
    const losses: number[] = [];
    const onProgress = ({ loss }: { loss?: number }) => void losses.push(loss!);
    const a = await coOp.fit({ ...task, onProgress }, { ...options, init: undefined });
    const b = await coOp.fit({ ...task, engine }, { ...options, init: undefined });
    expectClose(asMatrix(a.context as Tensor), asMatrix(b.context as Tensor), 1e-4);
    expect(losses.slice(-3).reduce((x, y) => x + y)).toBeLessThan(losses.slice(0, 3).reduce((x, y) => x + y));
    expect((a.text as Tensor).shape).toEqual([6, 32]);
  });

  it('learns separate words for each class, which start alike if words are given', async () => {
    const own = { ...options, classSpecific: true, init: undefined };
    const a = await coOp.fit(task, own);
    const b = await coOp.fit({ ...task, engine }, own);
    const { shape, data } = a.context as Tensor;
    const { width } = task.textTower.tower;
    expect(shape).toEqual([6, 4, width]);
    const flat = (tensor: Tensor) => matrix(24, width, tensor.data as Float32Array);
    expectClose(flat(a.context as Tensor), flat(b.context as Tensor), 1e-4);
    expect(data.slice(0, 4 * width)).not.toEqual(data.slice(4 * width, 8 * width));

    const shared = promptsOf(task, { init: 'a photo', position: 'end' });
    const several = promptsOf(task, { init: 'a photo', classSpecific: true, position: 'end' });
    const m = shared.start.shape[0]!;
    expect(several.start.shape).toEqual([6, m, width]);
    for (let c = 0; c < 6; c++) {
      expect((several.start.data as Float32Array).slice(c * m * width, (c + 1) * m * width)).toEqual(
        shared.start.data,
      );
    }
    // With equal words, the texts are the same as with one context for all classes.
    const one = await coOp.fit(task, { ...options, init: 'a photo', epochs: 1, rate: 1e-9 });
    const each = await coOp.fit(task, {
      ...options,
      init: 'a photo',
      epochs: 1,
      rate: 1e-9,
      classSpecific: true,
    });
    expectClose(asMatrix(each.text as Tensor), asMatrix(one.text as Tensor), 1e-5);
  });

  it('lays the class name at the end, in the middle or before the context', () => {
    const shown = (position: 'end' | 'middle' | 'front') => {
      const { places } = promptsOf(task, { context: 4, position });
      const t = places.shape[0]! / 6;
      return Array.from({ length: t }, (_, i) =>
        Array.from((places.data as Float32Array).subarray(i * 4, i * 4 + 4)).indexOf(1),
      );
    };
    expect(shown('end')).toEqual([-1, 0, 1, 2, 3, -1, -1, -1, -1, -1]);
    expect(shown('middle')).toEqual([-1, 0, 1, -1, -1, -1, 2, 3, -1, -1]);
    expect(shown('front')).toEqual([-1, -1, -1, -1, 0, 1, 2, 3, -1, -1]);
  });

  it('refuses learnt words and a name that are longer than the tower reads', () => {
    const reading = (context: number) => {
      const textTower = { tower: { ...letterTower(32), context }, names };
      return promptsOf({ ...task, textTower }, { context: 4, position: 'end' });
    };
    expect(reading(10).end.shape).toEqual([6, 10]);
    expect(() => reading(9)).toThrow(
      expect.objectContaining({ code: 'coop/too-long', message: expect.stringContaining('"ant" make 10') }),
    );
  });

  it('refuses an encoder whose text tower takes no learnt words', () => {
    expect(() => checkNeeds(coOp, smallTask)).toThrow('text tower');
  });
});

const shared = join(import.meta.dirname, '../../../shared');
const there = existsSync(join(shared, 'golden/tiny_clip_vit')) && existsSync(join(shared, 'data/tokenizer'));

async function tinyTower(): Promise<{ tower: TextTower; close(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'coop-'));
  cpSync(
    join(shared, 'golden/tiny_clip_vit/openai.safetensors'),
    join(folder, 'open_clip_model.safetensors'),
  );
  cpSync(join(shared, 'data/tokenizer/tokenizer.json'), join(folder, 'tokenizer.json'));
  const model_cfg = { quick_gelu: true, text_cfg: { heads: 1 } };
  writeFileSync(join(folder, 'open_clip_config.json'), JSON.stringify({ model_cfg }));
  const encoder = await loadEncoder(folder, { engine });
  const tower = (await encoder.textTower?.()) as TextTower;
  return {
    tower,
    close: async () => {
      await encoder.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

describe.skipIf(!there)(
  'CoOp on the tiny CLIP follows PyTorch (../shared/golden, ../shared/data/tokenizer)',
  () => {
    it.each([
      ['plain SGD', 'ctx_after_3', {}],
      [
        'momentum and weight decay',
        'ctx_after_3_momentum_weight_decay',
        { momentum: 0.9, weightDecay: 5e-4 },
      ],
    ])('%s', async (_, expected, settings) => {
      const golden = goldenTensors('trained/coop');
      const numbers = goldenNumbers('trained/scalars').coop;
      const { tower, close } = await tinyTower();
      const features = goldenMatrix(golden, 'image_features');
      const labels = Int32Array.from(golden.get('labels')?.data as BigInt64Array, Number);
      const head = {
        weights: matrix(6, 64),
        promptFeatures: matrix(6, 64),
        promptClass: new Int32Array(6),
        logitScale: numbers.logit_scale,
      };
      const losses: number[] = [];
      const task: TaskWith<'text' | 'text-tower'> = {
        classes: 6,
        dimension: 64,
        support: plainSupport(features, labels),
        head,
        textTower: { tower, names: numbers.class_names },
        seed: 1,
        engine,
        onProgress: ({ loss }) => void losses.push(loss!),
      };
      const prompts = promptsOf(task, { context: 16, init: 'a photo of a', position: 'end' });
      expectClose(asMatrix(prompts.start), goldenMatrix(golden, 'ctx_init'), 1e-6);
      const { parameters } = await train(task, {
        ...contextTraining(task, { epochs: 3, rate: 2e-3, batch: 12 }, prompts),
        optimiser: { kind: 'sgd', ...settings },
        rate: () => constantRate(2e-3),
        rows: () => features,
        order: () => [Array.from({ length: 12 }, (_row, i) => i)],
      });
      await close();
      expectClose(asMatrix(parameters.context), goldenMatrix(golden, expected), 1e-5);
      const told = Object.keys(settings).length > 0 ? numbers.momentum_weight_decay : numbers;
      losses.forEach((loss, i) => {
        expect(Math.abs(loss - told.loss_before_each_step[i])).toBeLessThan(1e-4);
      });
    });
  },
);
