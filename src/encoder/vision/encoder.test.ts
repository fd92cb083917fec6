import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { createEngine } from '../../engine/node.ts';
import type { Pixels } from '../../image/types.ts';
import { startFakeHub } from '../../store/fake-hub.fixture.ts';
import { loadEncoder } from '../load.ts';
import { pullEncoder } from '../pull.ts';
import { SMALL_DINOV2, smallDinov2, writeSmallVision } from './small-vision.fixture.ts';

const engine = createEngine({ threads: 1 });
const root = mkdtempSync(join(tmpdir(), 'vision-'));
afterAll(async () => {
  await engine.close();
  rmSync(root, { recursive: true, force: true });
});

const pixels: Pixels = {
  width: 16,
  height: 16,
  data: Uint8Array.from({ length: 16 * 16 * 3 }, (_, i) => (i * 37) % 256),
};

let folders = 0;
const write = (...given: Parameters<typeof writeSmallVision> extends [string, ...infer R] ? R : never) =>
  writeSmallVision(join(root, String(folders++)), ...given);
const without = (name: string) => {
  const tensors = smallDinov2();
  tensors.delete(name);
  return tensors;
};

describe('a folder with the weights of a picture-only model', () => {
  it('is an encoder that embeds pictures and no texts', async () => {
    const encoder = await loadEncoder(write(), { engine });
    expect(encoder).toMatchObject({ dimension: 16, preprocessing: { crop: 16 } });
    expect(encoder.embedTexts).toBeUndefined();
    expect(encoder.textLength).toBeUndefined();
    const { rows, cols, data } = await encoder.embedImages([pixels, pixels]);
    expect([rows, cols]).toEqual([2, 16]);
    expect([...data.subarray(0, 16)]).toEqual([...data.subarray(16)]);
    await encoder.close();
  });

  it('is pulled from the hub, where it has no tokenizer', async () => {
    const folder = write();
    const names = readdirSync(folder);
    const files = Object.fromEntries(names.map((name) => [name, readFileSync(join(folder, name))]));
    const hub = await startFakeHub({ 'tiny/dino': { files } });
    vi.stubEnv('HF_ENDPOINT', hub.endpoint);
    vi.stubEnv('TIP_ADAPTER_HOME', join(root, 'home'));
    const { record } = await pullEncoder('hf:tiny/dino', { engine });
    await hub.close();
    expect(record).toMatchObject({ kind: 'vision', dimension: 16 });
    const encoder = await loadEncoder('hf:tiny/dino', { engine });
    const local = await loadEncoder(folder, { engine });
    expect(encoder.fingerprint).toBe(local.fingerprint);
    expect((await encoder.embedImages([pixels])).data).toEqual((await local.embedImages([pixels])).data);
    await Promise.all([encoder.close(), local.close()]);
    vi.unstubAllEnvs();
  });

  it('has a fingerprint that follows weights and configuration', async () => {
    const folder = write();
    const config = { ...SMALL_DINOV2, num_attention_heads: 4 };
    const all = [folder, folder, write({ config }), write({ tensors: smallDinov2(2) })];
    const prints = await Promise.all(
      all.map(async (path) => {
        const { fingerprint, close } = await loadEncoder(path, { engine });
        await close();
        return fingerprint;
      }),
    );
    expect(prints[1]).toBe(prints[0]);
    expect(new Set(prints).size).toBe(3);
  });

  it.each([
    ['a field that is not known', { config: { ...SMALL_DINOV2, window: 3 } }, 'window (3) is not supported'],
    [
      'another number of blocks',
      { config: { ...SMALL_DINOV2, num_hidden_layers: 2 } },
      'num_hidden_layers is 2, but the weights are of 1',
    ],
    ['another size', { config: { ...SMALL_DINOV2, image_size: 64 } }, 'image_size is 64, but'],
    ['heads that do not fit', { config: { ...SMALL_DINOV2, num_attention_heads: 3 } }, 'not a multiple of 3'],
    [
      'a gated perceptron that the weights do not have',
      { config: { ...SMALL_DINOV2, use_swiglu_ffn: true } },
      'have no blocks.0.mlp.gate',
    ],
    [
      'a missing tensor',
      { tensors: without('encoder.layer.0.norm2.bias') },
      'The weights have no blocks.0.norm2.bias',
    ],
    [
      'registers in a model without them',
      {
        tensors: new Map([
          ...smallDinov2(),
          ['embeddings.register_tokens', smallDinov2().get('embeddings.cls_token')!],
        ]),
      },
      'num_register_tokens is 0, but the weights are of 1',
    ],
  ])('with %s is refused by name', async (_, given, message) => {
    await expect(loadEncoder(write(given), { engine })).rejects.toThrow(message);
  });
});
