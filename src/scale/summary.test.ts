import { cp, readFile, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { exampleCounts } from '../classifier/example-counts.ts';
import { fakeEncoder, workspace, writePictures } from '../classifier/fake-encoder.fixture.ts';
import { fit } from '../classifier/fit.ts';
import { embed } from './embed.ts';

const at = workspace();
const encoder = fakeEncoder();

describe('features that embed wrote', () => {
  it.each(['npy', 'safetensors', 'parquet', 'parquet-list'] as const)(
    'in %s files: a summary of them gives the classifier of the pictures, which takes pictures',
    async (format) => {
      const source = at('photos');
      await writePictures(at('photos/train'), { cat: [0, 1, 2, 3], dog: [0, 1, 2], owl: [0, 1, 2, 3, 4] });
      await writePictures(at('photos/test'), { cat: [8], dog: [8], owl: [8] });
      await embed(source, { encoder, output: at(format), format });
      const given = { encoder, method: 'prototype', tune: 'fixed' } as const;
      const whole = await fit(source, { ...given, thumbnails: false });
      const own = await fit(at(format), { ...given, summary: true });
      expect(own.data.classes).toEqual(whole.data.classes);
      expect(exampleCounts(own.data)).toEqual([4, 3, 5]);
      const [a, b] = [await own.evaluate(source), await whole.evaluate(source)];
      expect(a.predictions.map(({ id }) => id)).toEqual(b.predictions.map(({ id }) => id));
      expect((await own.predict(at('photos/test/cat/8.png'))).id).toBe('cat');
      await writePictures(at('more'), { cat: [11], dog: [11, 12] });
      expect(exampleCounts((await own.add(at('more'))).data)).toEqual([5, 5, 5]);
      for (const one of [own, whole]) await one.close();
    },
  );

  it('are refused if they are of another encoder, or if a table lacks rows', async () => {
    await writePictures(at('photos'), { cat: [0, 1, 2], dog: [0, 1, 2] });
    await embed(at('photos'), { encoder, output: at('npy'), format: 'npy' });
    await embed(at('photos'), { encoder, output: at('parquet'), format: 'parquet' });
    const summarised = (folder: string, other = encoder) =>
      fit(at(folder), { encoder: other, summary: true });
    await embed(at('photos'), { encoder, output: at('short'), format: 'npy', limit: 2 });
    for (const name of ['train.npy', 'train.labels.npy']) await cp(at('short', name), at('npy', name));
    await expect(summarised('npy')).rejects.toMatchObject({ code: 'features/checksum' });
    const { sums: _, ...older } = JSON.parse(await readFile(at('npy', 'info.json'), 'utf8'));
    await writeFile(at('npy', 'info.json'), JSON.stringify(older));
    await expect(summarised('npy')).rejects.toMatchObject({ code: 'features/damaged' });
    const another = { ...encoder, fingerprint: 'b'.repeat(64) };
    await expect(summarised('parquet', another)).rejects.toMatchObject({ code: 'fit/encoder' });
  });
});
