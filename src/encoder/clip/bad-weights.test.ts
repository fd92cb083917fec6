import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createEngine } from '../../engine/node.ts';
import { floatTensor, type Tensor } from '../../math/tensor.ts';
import { encodeSafetensors, parseSafetensors } from '../../store/safetensors.ts';
import { loadEncoder } from '../load.ts';
import { writeSmallClip } from './small-clip.fixture.ts';
import { withWeights } from './towers.ts';

const engine = createEngine({ threads: 1 });
const root = mkdtempSync(join(tmpdir(), 'bad-weights-'));
afterAll(async () => {
  await engine.close();
  rmSync(root, { recursive: true, force: true });
});

const FIRST = 'model-00001-of-00002.safetensors';
const SECOND = 'model-00002-of-00002.safetensors';
const INDEX = 'model.safetensors.index.json';
let folders = 0;

/** A small CLIP of Hugging Face in two files. */
const small = () => writeSmallClip(join(root, `${folders++}`), { names: 'hub', parts: true });

function change(path: string, edit: (tensors: Map<string, Tensor>) => void): void {
  const { tensors } = parseSafetensors(Uint8Array.from(readFileSync(path)));
  edit(tensors);
  writeFileSync(path, encodeSafetensors(tensors));
}

function changeJson(path: string, edit: (json: Record<string, Record<string, unknown>>) => void): void {
  const json = JSON.parse(readFileSync(path, 'utf8'));
  edit(json);
  writeFileSync(path, JSON.stringify(json));
}

/** The first tensor of a file of weights whose name ends so. */
const ending = (tensors: Map<string, Tensor>, end: string) =>
  [...tensors.keys()].find((name) => name.endsWith(end))!;

describe('damaged weights of a CLIP are refused by name', () => {
  it.each<[string, string, string, (folder: string) => void]>([
    ['a file is absent', 'encoder/missing', SECOND, (folder) => rmSync(join(folder, SECOND))],
    [
      'a file lacks a tensor that the index names',
      'weights/missing',
      'although',
      (folder) =>
        change(join(folder, SECOND), (tensors) => tensors.delete(ending(tensors, 'layer_norm1.weight'))),
    ],
    [
      'neither index nor files have a tensor',
      'weights/missing',
      'have no transformer.resblocks.0.ln_1.weight',
      (folder) => {
        const name = 'text_model.encoder.layers.0.layer_norm1.weight';
        for (const file of [FIRST, SECOND]) change(join(folder, file), (tensors) => tensors.delete(name));
        changeJson(join(folder, INDEX), ({ weight_map }) => delete weight_map![name]);
      },
    ],
    [
      'two files have a tensor',
      'weights/twice',
      'logit_scale twice',
      (folder) =>
        change(join(folder, FIRST), (tensors) =>
          tensors.set('logit_scale', floatTensor([], Float32Array.of(2))),
        ),
    ],
    [
      'a tensor has another shape',
      'weights/shape',
      'resblocks.0.mlp.c_fc',
      (folder) => {
        for (const file of [FIRST, SECOND])
          change(join(folder, file), (tensors) => {
            const name = 'text_model.encoder.layers.0.mlp.fc1.weight';
            if (tensors.has(name)) tensors.set(name, floatTensor([64, 15], new Float32Array(64 * 15)));
          });
      },
    ],
    [
      'the index is not one',
      'weights/index',
      INDEX,
      (folder) => writeFileSync(join(folder, INDEX), '{"weight_map": 3}'),
    ],
    [
      'the configuration is of another model',
      'weights/size',
      'text_config.num_hidden_layers is 3',
      (folder) => changeJson(join(folder, 'config.json'), (c) => (c.text_config!.num_hidden_layers = 3)),
    ],
  ])('if %s', async (_, code, message, edit) => {
    const folder = small();
    edit(folder);
    const refused = loadEncoder(folder, { engine });
    await expect(refused).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
  });

  it('if two tensors of one file stand for the same one', async () => {
    const folder = writeSmallClip(join(root, `${folders++}`), { names: 'open-clip' });
    change(join(folder, 'open_clip_model.safetensors'), (tensors) =>
      tensors.set('text.positional_embedding', tensors.get('positional_embedding')!),
    );
    await expect(loadEncoder(folder, { engine })).rejects.toThrow(
      'positional_embedding twice: positional_embedding and text.positional_embedding',
    );
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])(
    'if a number is %s, when the tower is built',
    async (bad) => {
      const folder = small();
      for (const file of [FIRST, SECOND])
        change(join(folder, file), (tensors) => {
          const name = 'text_model.final_layer_norm.bias';
          if (tensors.has(name)) tensors.set(name, floatTensor([16], new Float32Array(16).fill(bad, 3, 4)));
        });
      const encoder = await loadEncoder(folder, { engine });
      await expect(encoder.embedTexts!(['a'])).rejects.toMatchObject({
        code: 'weights/not-finite',
        message: `The weights hold ${bad} in ln_final.bias, at place 3`,
      });
      await encoder.close();
    },
  );

  it('if the tokenizer has a larger vocabulary', async () => {
    const folder = small();
    changeJson(join(folder, 'tokenizer.json'), ({ model }) => {
      const vocabulary = model!.vocab as Record<string, number>;
      vocabulary['q</w>'] = 99;
    });
    const encoder = await loadEncoder(folder, { engine });
    await expect(encoder.embedTexts!(['q'])).rejects.toMatchObject({
      code: 'weights/tokens',
      message: expect.stringContaining('token 99'),
    });
    await encoder.close();
  });

  it('if a tower is too large for one model, before it is read', async () => {
    const shapes = new Map([['table', [901_629, 1280]]]);
    const checkpoint = { shapes, tensor: () => expect.fail('read'), close: async () => {} };
    await expect(withWeights(checkpoint, (weights) => weights('table'))).rejects.toMatchObject({
      code: 'weights/too-large',
      message: 'A tower has 4.6 GB of weights, 4.6 GB of them in table; at most 2.1 GB are supported',
    });
  });
});
