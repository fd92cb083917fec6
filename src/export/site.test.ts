import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { workspace } from '../classifier/fake-encoder.fixture.ts';
import { type Classifier, fit, load } from '../classifier/index.ts';
import { readDataset } from '../dataset/read.ts';
import { sampleDataset } from '../dataset/sample-dataset.ts';
import { writeSmallClip } from '../encoder/clip/small-clip.fixture.ts';
import { loadEncoder } from '../encoder/load.ts';
import { parseSite } from '../web/site.ts';
import { exportSite } from './site.ts';

const at = workspace();

describe('a site of an encoder from weights', () => {
  let classifier: Classifier;
  beforeAll(async () => {
    const sample = await readDataset(await sampleDataset());
    const examples = sample.examples.filter(({ label, split }) => label < 3 && split === 'train');
    const encoder = writeSmallClip(at('clip'), { names: 'open-clip' });
    const dataset = { ...sample, classes: sample.classes.slice(0, 3), examples };
    classifier = await fit(dataset, { encoder, method: 'tip-adapter', tune: 'fixed', alpha: 1, beta: 5 });
  });
  afterAll(() => classifier?.close());

  it('has both towers in ONNX, with the numbers of the weights', async () => {
    const { files, difference } = await exportSite(classifier, at('site'));
    expect(difference).toBeLessThan(1e-5);
    expect(files.map(({ path }) => path)).toEqual(
      expect.arrayContaining([
        'site.json',
        'encoder/image.onnx',
        'encoder/text.onnx',
        'encoder/tokenizer.json',
      ]),
    );
    await using own = await loadEncoder(classifier.data.encoder.id);
    await using exported = await loadEncoder(at('site/encoder'));
    expect(exported.fingerprint).toBe(own.fingerprint);
    const [wanted, got] = [await own.embedTexts!(['a cat']), await exported.embedTexts!(['a cat'])];
    got.data.forEach((value, i) => {
      expect(value).toBeCloseTo(wanted.data[i]!, 5);
    });
    await using again = await load(at('site/classifier.safetensors'));
    expect(again.data.classes).toEqual(classifier.data.classes);
  });

  it('replaces an earlier site, and no folder of other files', async () => {
    await exportSite(classifier, at('site'));
    const text = readFileSync(at('site/site.json'), 'utf8');
    expect(parseSite(text, 'site.json').encoder).toBe('encoder/');
    expect(() => parseSite(text.replace('"format": 1', '"format": 2'), 'site.json')).toThrow(
      'newer than this version',
    );
    mkdirSync(at('mine'));
    writeFileSync(at('mine/thesis.txt'), 'years of work');
    await expect(exportSite(classifier, at('mine'))).rejects.toMatchObject({ code: 'export/site-folder' });
    expect(readFileSync(at('mine/thesis.txt'), 'utf8')).toBe('years of work');
  });
});
