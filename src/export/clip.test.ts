import { cpSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as ort from 'onnxruntime-web';
import { beforeAll, describe, expect, it } from 'vitest';
import { workspace, writePictures } from '../classifier/fake-encoder.fixture.ts';
import { fit, load } from '../classifier/index.ts';
import { loadEncoder, locateEncoder } from '../encoder/load.ts';
import { normalize } from '../image/preprocess.ts';
import { exportOnnx } from './index.ts';
import { localTower } from './local-tower.ts';
import { encodeModel } from './onnx-model.ts';

const shared = join(import.meta.dirname, '../../../shared');
const golden = join(shared, 'golden');
const tokenizer = join(shared, 'data/tokenizer/tokenizer.json');
const there = existsSync(golden) && existsSync(tokenizer);

/** The places of each small CLIP's files, and their names in an encoder's folder. */
const ENCODERS = {
  'an ONNX model': { 'tiny_clip_onnx/': '' },
  'a ViT from weights': {
    'tiny_clip_vit/hf.safetensors': 'model.safetensors',
    'tiny_clip_vit/config.json': 'config.json',
  },
  'a ResNet from weights': { 'tiny_clip_rn/openai.safetensors': 'open_clip_model.safetensors' },
};

describe.skipIf(!there)(
  `a classifier exported with its CLIP${there ? '' : ' (missing: ../shared/golden, ../shared/data/tokenizer)'}`,
  () => {
    const at = workspace();
    let photos: string;
    const folderOf = (name: string) => at(name.replaceAll(' ', '-'));

    beforeAll(async () => {
      photos = await writePictures(at('photos'), { cat: 3, dog: 3, owl: 2 });
      for (const [name, files] of Object.entries(ENCODERS)) {
        cpSync(tokenizer, join(folderOf(name), 'tokenizer.json'), { recursive: true });
        for (const [from, to] of Object.entries(files))
          cpSync(join(golden, from), join(folderOf(name), to), { recursive: true });
      }
      const model_cfg = { quick_gelu: true, text_cfg: { heads: 2 } };
      writeFileSync(
        join(folderOf('a ResNet from weights'), 'open_clip_config.json'),
        JSON.stringify({ model_cfg }),
      );
    });

    it.each([
      ['an ONNX model', 'tip-adapter'],
      ['a ViT from weights', 'tip-adapter'],
      ['a ViT from weights', 'coop'],
    ])("%s, %s: gives the classifier's answers from one file", async (name, method) => {
      const classifier = await fit(photos, {
        encoder: folderOf(name),
        method,
        tune: 'fixed',
        ...(method === 'coop' ? { options: { epochs: 1 } } : {}),
      });
      const { bytes, difference, inputs } = await exportOnnx(classifier);
      expect(difference).toBeLessThan(1e-5);
      const side = inputs[0]!.shape[1] as number;
      const session = await ort.InferenceSession.create(bytes);
      // Two pictures at once, because the first dimension is free.
      const blank = new ort.Tensor('uint8', new Uint8Array(2 * side * side * 3), [2, side, side, 3]);
      const { probabilities } = await session.run({ pixels: blank });
      expect(probabilities?.dims).toEqual([2, 3]);
      await session.release();
      await classifier.close();
    });

    it('CoCoOp is saved, loaded and answers; it encodes texts for every picture, and is not exported', async () => {
      const given = { encoder: folderOf('a ViT from weights'), method: 'cocoop', tune: 'fixed' } as const;
      const classifier = await fit(photos, { ...given, options: { epochs: 1, batch: 4 } });
      const file = folderOf('cocoop.safetensors');
      await classifier.save(file);
      const loaded = await load(file);
      const [picture] = classifier.data.examples;
      const image = join(photos, picture!.id);
      expect((await loaded.predict(image)).probability).toBeCloseTo(
        (await classifier.predict(image)).probability,
        5,
      );
      await expect(exportOnnx(classifier)).rejects.toMatchObject({ code: 'export/method' });
      await loaded.close();
      await classifier.close();
    });

    // Its text side knows fewer words than the tokenizer: no classifier has its prompts.
    it('a ResNet from weights: embeds pictures as the encoder does', async () => {
      const folder = folderOf('a ResNet from weights');
      const encoder = await loadEncoder(folder);
      const side = encoder.preprocessing.crop;
      const data = Uint8Array.from({ length: side * side * 3 }, (_, i) => (i * 37) % 256);
      const picture = { width: side, height: side, data };
      const expected = await encoder.embedImages([picture]);
      await encoder.close();
      const { model, input, output } = await localTower(await locateEncoder(folder));
      const session = await ort.InferenceSession.create(encodeModel(model, {}));
      const pixels = normalize([picture], encoder.preprocessing);
      const results = await session.run({
        [input.name]: new ort.Tensor('float32', pixels, [1, 3, side, side]),
      });
      const got = results[output.name]!.data as Float32Array;
      const worst = Math.max(...got.map((x, i) => Math.abs(x - expected.data[i]!)));
      expect(worst).toBeLessThan(1e-5 * Math.max(...expected.data));
      await session.release();
    });
  },
);
