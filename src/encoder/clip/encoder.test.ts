import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from '../../engine/node.ts';
import { input } from '../../graph/expression.ts';
import type { Pixels } from '../../image/types.ts';
import { floatTensor, type Tensor } from '../../math/tensor.ts';
import { encodeSafetensors, parseSafetensors } from '../../store/safetensors.ts';
import { loadEncoder } from '../load.ts';

const shared = join(import.meta.dirname, '../../../../shared');
const there = existsSync(join(shared, 'golden/tiny_clip_vit')) && existsSync(join(shared, 'data/tokenizer'));
const engine = createEngine({ threads: 1 });
const root = mkdtempSync(join(tmpdir(), 'clip-weights-'));
afterAll(async () => {
  await engine.close();
  rmSync(root, { recursive: true, force: true });
});

const pixels: Pixels = {
  width: 64,
  height: 64,
  data: Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 37) % 256),
};
const OPEN_CLIP = { model_cfg: { quick_gelu: true, text_cfg: { heads: 1 } } };
const TEXTS = ['a photo of a cat.', 'two words', ''];

describe.skipIf(!there)(
  'a folder with weights of a CLIP (../shared/golden, ../shared/data/tokenizer)',
  () => {
    const folders = { openClip: join(root, 'open-clip'), hub: join(root, 'hub'), parts: join(root, 'parts') };

    beforeAll(() => {
      const tokenizer = join(shared, 'data/tokenizer/tokenizer.json');
      for (const folder of Object.values(folders))
        cpSync(tokenizer, join(folder, 'tokenizer.json'), { recursive: true });
      const golden = join(shared, 'golden/tiny_clip_vit');
      cpSync(join(golden, 'openai.safetensors'), join(folders.openClip, 'open_clip_model.safetensors'));
      writeFileSync(join(folders.openClip, 'open_clip_config.json'), JSON.stringify(OPEN_CLIP));
      cpSync(join(golden, 'hf.safetensors'), join(folders.hub, 'model.safetensors'));
      cpSync(join(golden, 'config.json'), join(folders.hub, 'config.json'));
      // The same weights in two files, as large checkpoints come.
      const { tensors } = parseSafetensors(readFileSync(join(golden, 'hf.safetensors')));
      const names = [...tensors.keys()];
      const half = names.length >> 1;
      const map: Record<string, string> = {};
      for (const [i, own] of [names.slice(0, half), names.slice(half)].entries()) {
        const file = `model-0000${i + 1}-of-00002.safetensors`;
        const part = new Map(own.map((name) => [name, tensors.get(name) as Tensor]));
        writeFileSync(join(folders.parts, file), encodeSafetensors(part));
        for (const name of own) map[name] = file;
      }
      writeFileSync(join(folders.parts, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }));
      cpSync(join(golden, 'config.json'), join(folders.parts, 'config.json'));
    });

    it('is an encoder like any other, for all names and numbers of files', async () => {
      const embedded = [];
      for (const folder of Object.values(folders)) {
        const encoder = await loadEncoder(folder, { engine });
        expect(encoder).toMatchObject({ dimension: 64, preprocessing: { crop: 64, channels: 'rgb' } });
        expect(encoder.logitScale).toBeCloseTo(24.8023, 3);
        embedded.push({
          images: await encoder.embedImages([pixels, pixels]),
          texts: await encoder.embedTexts!(TEXTS),
          fingerprint: encoder.fingerprint,
        });
        await encoder.close();
      }
      const [first, ...others] = embedded;
      for (const { images, texts, fingerprint } of others) {
        images.data.forEach((x, i) => {
          expect(Math.abs(x - first!.images.data[i]!)).toBeLessThan(1e-4);
        });
        texts.data.forEach((x, i) => {
          expect(Math.abs(x - first!.texts.data[i]!)).toBeLessThan(1e-4);
        });
        expect(fingerprint).toBe(first!.fingerprint);
      }
    });

    it('opens its text tower between embeddings and text', async () => {
      const encoder = await loadEncoder(folders.openClip, { engine });
      const tower = await encoder.textTower?.();
      if (!tower) throw new Error('no tower');
      const tokens = tower.tokenize(TEXTS[0]!);
      const t = tokens.length;
      const outputs = { out: tower.encode(input('e', [1, t, tower.width]), input('end', [1, t])) };
      const session = await engine.compile(outputs);
      const { out } = await session.run({
        ...tower.weights,
        e: floatTensor([1, t, tower.width], tower.embedTokens(tokens).data),
        end: floatTensor(
          [1, t],
          Float32Array.from(tokens, (_, i) => Number(i === t - 1)),
        ),
      });
      const expected = await encoder.embedTexts!([TEXTS[0]!]);
      (out.data as Float32Array).forEach((x, i) => {
        expect(Math.abs(x - expected.data[i]!)).toBeLessThan(1e-4);
      });
      await encoder.close();
    });
  },
);
