import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { picture, workspace } from '../classifier/fake-encoder.fixture.ts';
import { sha256 } from '../sha256.ts';
import { openSamples, type SampleAnswer } from './samples.ts';
import { fittedAnimals, form, PREDICT, serve } from './serve.fixture.ts';

const animals = fittedAnimals();
const at = workspace();

const answer: SampleAnswer = {
  model: 'animals',
  version: 1,
  hash: 'h',
  prediction: {
    image: 'secret.png',
    id: 'cat',
    name: 'cat',
    probability: 1,
    calibrated: false,
    rejected: false,
    ranking: [],
  },
};

/** Samples with a share of 1, and the outcomes that they tell. */
async function samplesIn(folder: string, { share = 1, limit = 1e9 } = {}) {
  const outcomes: string[] = [];
  const onSample = (outcome: string) => outcomes.push(outcome);
  return { outcomes, ...(await openSamples({ folder, share, limit, onSample })) };
}

describe('samples', () => {
  it('of a server are the pictures that were sent, with their answers and without names', async () => {
    const samples = at('kept');
    const server = await serve({ models: [await animals.copy('sampled')], samples, sampleShare: 1 });
    const body = form({ 'secret.png': animals.cat, 'broken.png': Buffer.from('no picture') });
    const { json } = await server.ask(PREDICT, { method: 'POST', body });
    await server.close();
    const name = sha256(animals.cat);
    expect((await readdir(samples)).sort()).toEqual([`${name}.json`, `${name}.png`]);
    expect(await readFile(join(samples, `${name}.png`))).toEqual(animals.cat);
    const text = await readFile(join(samples, `${name}.json`), 'utf8');
    expect(text).not.toContain('secret');
    const { image: _, ...answered } = json.predictions[0];
    expect(JSON.parse(text)).toEqual({
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      model: 'animals',
      version: 1,
      hash: json.hash,
      ...answered,
    });
    if (process.platform !== 'win32') expect((await stat(samples)).mode & 0o777).toBe(0o700);
  });

  it('are not saved twice, nor beyond the size of the folder, which counts what is there', async () => {
    const folder = at('full');
    const { length } = animals.cat;
    await mkdir(folder);
    await writeFile(join(folder, 'before'), Buffer.alloc(1000));
    const first = await samplesIn(folder, { limit: length + 1500 });
    for (const image of [animals.cat, animals.cat, animals.dog]) {
      first.offer(image, answer);
      await first.close();
    }
    expect(first.outcomes).toEqual(['saved', 'known', 'full']);
    const sizes = await Promise.all(
      (await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size),
    );
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(length + 1500);
  });

  it('are a share of the pictures, and at most a few at once', async () => {
    const none = await samplesIn(at('none'), { share: 0 });
    none.offer(animals.cat, answer);
    await none.close();
    expect(none.outcomes).toEqual([]);
    const many = await samplesIn(at('many'));
    const pictures = await Promise.all(Array.from({ length: 20 }, (_, i) => picture('cat', 100 + i)));
    for (const image of pictures) many.offer(image, answer);
    await many.close();
    expect(many.outcomes.filter((outcome) => outcome === 'busy')).toHaveLength(4);
    expect(many.outcomes.filter((outcome) => outcome === 'saved')).toHaveLength(16);
  });

  it('that cannot be written are told, and answers go on', async () => {
    const failing = await samplesIn(at('failing'));
    const unreadable = { id: 'x', read: () => Promise.reject(new Error('gone')) };
    failing.offer(unreadable, answer);
    await failing.close();
    expect(failing.outcomes).toEqual(['failed']);
    await writeFile(at('a-file'), '');
    await expect(samplesIn(at('a-file'))).rejects.toMatchObject({ code: expect.stringMatching(/^disk\//) });
    const model = await animals.copy('no-folder');
    await expect(serve({ models: [model], sampleShare: 0.5 })).rejects.toMatchObject({
      code: 'option/no-effect',
    });
  });
});
