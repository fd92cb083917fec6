import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { random } from '../math/random.ts';
import { load } from './classifier.ts';
import { fakeEncoder, workspace } from './fake-encoder.fixture.ts';
import { fit } from './fit.ts';

const at = workspace();
const CLASSES = ['cat', 'dog', 'owl'];
const WIDTH = 16;

/** The bytes of an .npy file of numbers [rows, 16] in single precision. */
function npy(rows: readonly (readonly number[])[]): Buffer {
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows.length}, ${WIDTH}), }`;
  const padded = `${header.padEnd(117)}\n`;
  const front = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, padded.length, 0]);
  return Buffer.concat([front, Buffer.from(padded), Buffer.from(Float32Array.from(rows.flat()).buffer)]);
}

const noise = random('dump', 1);
const centres = CLASSES.map(() => Array.from({ length: WIDTH }, () => noise.normal()));
const unit = (row: number[]) => row.map((x) => x / Math.hypot(...row));
const near = (label: number) => unit(centres[label]!.map((x) => x + 0.4 * noise.normal()));

async function writeDump(folder: string, { text = true } = {}): Promise<string> {
  const draw = (count: number) =>
    Array.from({ length: count * CLASSES.length }, (_, i) => i % CLASSES.length);
  const files: Record<string, { labels?: number[] }> = {
    'support_2shot.npy': { labels: draw(2) },
    'support_8shot.npy': { labels: draw(8) },
    'val.npy': { labels: draw(10) },
    ...(text ? { 'text.npy': {} } : {}),
  };
  await mkdir(folder, { recursive: true });
  for (const [name, { labels }] of Object.entries(files))
    await writeFile(`${folder}/${name}`, npy(labels ? labels.map(near) : centres.map(unit)));
  await writeFile(`${folder}/info.json`, JSON.stringify({ model: 'some CLIP', classes: CLASSES, files }));
  return folder;
}

/** Copies a folder of features, with each row times the factor of its label. The rows of the text features have label -1. */
async function scaledCopy(from: string, to: string, factor: (label: number) => number): Promise<string> {
  await mkdir(to, { recursive: true });
  await copyFile(`${from}/info.json`, `${to}/info.json`);
  const { files } = JSON.parse(await readFile(`${from}/info.json`, 'utf8'));
  for (const [name, { labels }] of Object.entries<{ labels?: number[] }>(files)) {
    const bytes = await readFile(`${from}/${name}`);
    const numbers = new Float32Array(new Uint8Array(bytes.subarray(128)).buffer);
    const rows = Array.from({ length: numbers.length / WIDTH }, (_, i) =>
      Array.from(numbers.subarray(i * WIDTH, (i + 1) * WIDTH), (x) => x * factor(labels?.[i] ?? -1)),
    );
    await writeFile(`${to}/${name}`, npy(rows));
  }
  return to;
}

describe('a folder of features', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await writeDump(at('dump'));
  });

  it('is fitted, saved, loaded and evaluated without an encoder', async () => {
    const classifier = await fit(folder, { method: 'tip-adapter', shots: 8 });
    expect(classifier.data.examples.length).toBe(24);
    expect(classifier.data.encoder).toMatchObject({ id: 'features of some CLIP', dimension: WIDTH });
    await classifier.save(at('dump.safetensors'));
    const loaded = await load(at('dump.safetensors'));
    const { accuracy, total } = await loaded.evaluate(folder);
    expect(total).toBe(30);
    expect(accuracy).toBeGreaterThan(0.9);
    await expect(loaded.predict(['photo.jpg'])).rejects.toMatchObject({ code: 'classifier/features' });
    await classifier.close();
    await loaded.close();
  });

  it('accepts further rows, and leaves out those that it has', async () => {
    const classifier = await fit(folder, { method: 'prototype', shots: 2 });
    const further = await writeDump(at('further'), { text: false });
    const grown = await classifier.add(further);
    expect(grown.data.examples).toHaveLength(6 + 24);
    expect(grown.data.support.labels.slice(0, 9)).toEqual(Int32Array.of(0, 1, 2, 0, 1, 2, 0, 1, 2));
    expect(new Set(grown.data.examples.map(({ id }) => id)).size).toBe(30);
    const again = await grown.add(further);
    expect(again.data.examples).toHaveLength(30);
    expect(again.findings).toContainEqual(
      expect.objectContaining({ message: '24 rows are examples of that class already and are left out' }),
    );
    const removed = await again.remove({ examples: ['row 0'] });
    expect(removed.data.examples).toHaveLength(29);
    await classifier.close();
  });

  it('accepts rows of new classes with text features; refuses those without, and features of another origin', async () => {
    const classifier = await fit(folder, { method: 'tip-adapter', shots: 2 });
    const other = await writeDump(at('other'));
    const rename = (classes: string[], model = 'some CLIP') =>
      readFile(`${other}/info.json`, 'utf8').then((text) =>
        writeFile(`${other}/info.json`, JSON.stringify({ ...JSON.parse(text), classes, model })),
      );
    await rename(['owl', 'emu', 'cat']);
    const grown = await classifier.add(other);
    expect(grown.data.classes.map(({ id }) => id)).toEqual([...CLASSES, 'emu']);
    expect(grown.data.support.labels.slice(6, 9)).toEqual(Int32Array.of(2, 3, 0));
    expect(grown.data.head?.prompts).toEqual([['cat'], ['dog'], ['owl'], ['emu']]);
    expect(grown.data.head?.weights.rows).toBe(4);
    await rm(`${other}/text.npy`);
    const { files, ...rest } = JSON.parse(await readFile(`${other}/info.json`, 'utf8'));
    const { 'text.npy': _, ...kept } = files;
    await writeFile(`${other}/info.json`, JSON.stringify({ ...rest, files: kept }));
    await expect(classifier.add(other)).rejects.toMatchObject({ code: 'add/no-text' });
    await rename(CLASSES, 'another CLIP');
    await expect(classifier.add(other)).rejects.toMatchObject({ code: 'classifier/other-encoder' });
    await classifier.close();
  });

  it.each<[string, (label: number) => number]>([
    ['1e-9', () => 1e-9],
    ['1e9', () => 1e9],
    ['1e-9, for one class only', (label) => (label === 1 ? 1e-9 : 1)],
    ['1e-30 for one class and 1e30 for another', (label) => [1, 1e-30, 1e30][label] ?? 1],
  ])('of rows times %s gives the answers of unit rows', async (_, factor) => {
    const scaled = await scaledCopy(folder, at('scaled'), factor);
    for (const method of ['tip-adapter', 'prototype', 'gda', 'linear-probe']) {
      const options = { method, tune: 'fixed', shots: 2 } as const;
      const [one, other] = [await fit(folder, options), await fit(scaled, options)];
      const [a, b] = [await one.evaluate(folder), await other.evaluate(scaled)];
      expect(b.accuracy, method).toBe(a.accuracy);
      expect(b.nll, method).toBeCloseTo(a.nll, 2);
      // Rows that are examples are still recognised.
      expect((await other.add(scaled)).data.examples).toHaveLength(30);
      await Promise.all([one.close(), other.close()]);
    }
  });

  it('does not test on rows that are examples', async () => {
    const classifier = await fit(folder, { method: 'prototype', shots: 2 });
    await copyFile(`${folder}/support_2shot.npy`, `${folder}/test.npy`);
    const path = `${folder}/info.json`;
    const before = await readFile(path, 'utf8');
    const info = JSON.parse(before);
    info.files['test.npy'] = info.files['support_2shot.npy'];
    await writeFile(path, JSON.stringify(info));
    await expect(classifier.evaluate(folder)).rejects.toMatchObject({
      code: 'eval/nothing',
      message: expect.stringContaining('all its rows are examples of the classifier'),
    });
    await rm(`${folder}/test.npy`);
    await writeFile(path, before);
    await classifier.close();
  });

  it('gives a classifier for pictures if the encoder is named', async () => {
    const encoder = fakeEncoder();
    const classifier = await fit(await writeDump(at('no-text'), { text: false }), {
      encoder,
      method: 'tip-adapter',
    });
    expect(classifier.data.encoder.fingerprint).toBe(encoder.fingerprint);
    expect(classifier.data.head?.prompts).toEqual(CLASSES.map((name) => [`a photo of a ${name}.`]));
    expect(classifier.data.templates).toEqual(['a photo of a {}.']);
    await classifier.close();
    await expect(fit(folder, { encoder: { ...encoder, dimension: 8 } })).rejects.toMatchObject({
      code: 'fit/encoder',
    });
  });

  it('refuses options that need pictures', async () => {
    for (const wanted of [
      { views: 10 },
      { template: ['a {}'] },
      { prompts: 'imagenet' },
      { classes: 'classes.csv' },
    ])
      await expect(fit(folder, wanted)).rejects.toMatchObject({ code: 'fit/features-option' });
  });

  it('has its own draws, and others by the seed, with a note', async () => {
    const shots = async (wanted: number) => {
      const { data, findings } = await fit(folder, { method: 'prototype', tune: 'fixed', shots: wanted });
      return { examples: data.examples.length, codes: findings.map(({ code }) => code) };
    };
    expect(await shots(2)).toEqual({ examples: 6, codes: [] });
    expect(await shots(4)).toEqual({ examples: 12, codes: ['fit/drawn'] });
    await expect(shots(9)).rejects.toMatchObject({ code: 'fit/shots' });
    await expect(fit(folder, { tune: 'paper' })).rejects.toMatchObject({ code: 'fit/no-validation' });
  });
});
