import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createEngine } from '../../engine/node.ts';
import { constant } from '../../graph/expression.ts';
import type { Pixels } from '../../image/types.ts';
import { dot, norm, row } from '../../math/matrix.ts';
import { random } from '../../math/random.ts';
import { floatTensor } from '../../math/tensor.ts';
import { loadEncoder } from '../load.ts';
import { featureCount, projectedBeside, projectionOf } from './projection.ts';
import { writeSmallClip } from './small-clip.fixture.ts';
import type { ClipShape } from './weights.ts';

const engine = createEngine({ threads: 1 });
const root = mkdtempSync(join(tmpdir(), 'projection-'));
afterAll(async () => {
  await engine.close();
  rmSync(root, { recursive: true, force: true });
});

const pixels: Pixels[] = [1, 2, 3].map((k) => ({
  width: 32,
  height: 32,
  data: Uint8Array.from({ length: 32 * 32 * 3 }, (_, i) => (i * 37 * k) % 256),
}));
const cosine = (a: Float32Array, b: Float32Array) => dot(a, b) / (norm(a) * norm(b));
const product = (x: Float32Array, { cols, data }: { cols: number; data: Float32Array }) =>
  Float32Array.from({ length: cols }, (_, j) =>
    x.reduce((sum, value, i) => sum + value * data[i * cols + j]!, 0),
  );

describe.each(['hub', 'open-clip'] as const)('a CLIP with pre-projection features (%s)', (names) => {
  const folder = writeSmallClip(join(root, names), { names });
  const both = async () =>
    [
      await loadEncoder(folder, { engine }),
      await loadEncoder(`${folder}+pre-projection`, { engine }),
    ] as const;

  it('has unit rows of the embedding and the features that it is computed from', async () => {
    const [plain, encoder] = await both();
    expect(encoder).toMatchObject({ id: `${plain.id}+pre-projection`, dimension: 8 + 16 });
    expect(encoder.fingerprint).not.toBe(plain.fingerprint);
    expect(plain.projection).toBeUndefined();
    const { weight, bias } = (await encoder.projection?.())!;
    expect([weight.rows, weight.cols, bias]).toEqual([16, 8, 0]);
    const [own, rows] = [await plain.embedImages(pixels), await encoder.embedImages(pixels)];
    for (let i = 0; i < pixels.length; i++) {
      const [embedding, features] = [row(rows, i).subarray(0, 8), row(rows, i).subarray(8)];
      expect([norm(embedding) ** 2, norm(features) ** 2]).toEqual([expect.closeTo(0.5), expect.closeTo(0.5)]);
      expect(cosine(embedding, row(own, i))).toBeCloseTo(1, 5);
      expect(cosine(product(features, weight), row(own, i))).toBeCloseTo(1, 5);
    }
    await Promise.all([plain.close(), encoder.close()]);
  });

  it('has the zero-shot scores of the plain encoder', async () => {
    const [plain, encoder] = await both();
    const scores = async ({ embedImages, embedTexts, logitScale }: typeof plain) => {
      const [images, texts] = [await embedImages(pixels), await embedTexts!(['a cat', 'dogs'])];
      return [0, 1, 2].flatMap((i) => [0, 1].map((c) => logitScale * cosine(row(images, i), row(texts, c))));
    };
    const own = await scores(plain);
    (await scores(encoder)).forEach((score, i) => void expect(score).toBeCloseTo(own[i]!, 3));
    await Promise.all([plain.close(), encoder.close()]);
  });
});

it('has the projection of a ResNet with its bias as the last row', async () => {
  const [w, d] = [6, 4];
  const { normal } = random('resnet projection');
  const numbers = (...shape: number[]) =>
    floatTensor(shape, Float32Array.from({ length: shape.reduce((a, b) => a * b) }, normal));
  const tensors: Record<string, ReturnType<typeof numbers>> = {
    'visual.attnpool.c_proj.weight': numbers(d, w),
    'visual.attnpool.c_proj.bias': numbers(d),
  };
  const image = { kind: 'resnet', width: w } as ClipShape['image'];
  const { weight, bias } = await projectionOf({ tensor: async (name) => tensors[name]! }, { image });
  expect([featureCount({ image }), weight.rows, weight.cols, bias]).toEqual([w + 1, w + 1, d, 1]);
  const features = constant(numbers(3, w));
  const rows = projectedBeside(features, (name) => constant(tensors[name]!), image);
  const session = await engine.compile({ rows });
  const { data } = (await session.run({})).rows;
  for (let i = 0; i < 3; i++) {
    const own = (data as Float32Array).subarray(i * (d + w + 1), (i + 1) * (d + w + 1));
    expect(cosine(product(own.subarray(d), weight), own.subarray(0, d))).toBeCloseTo(1, 5);
  }
  await session.close();
});

it('refuses an encoder without a projection of its own weights, and names the join that it cannot be part of', async () => {
  await expect(loadEncoder('clip-vit-b32-x+pre-projection')).rejects.toMatchObject({
    code: 'encoder/unknown',
  });
  const folder = join(root, 'hub');
  await expect(loadEncoder(`${folder}+${folder}2+pre-projection`)).rejects.toMatchObject({
    code: 'encoder/joined',
  });
});
