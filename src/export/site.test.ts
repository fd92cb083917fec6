import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { workspace } from '../classifier/fake-encoder.fixture.ts';
import { classifierBytes } from '../classifier/file-bytes.ts';
import { type Classifier, fit, load } from '../classifier/index.ts';
import { readDataset } from '../dataset/read.ts';
import { sampleDataset } from '../dataset/sample-dataset.ts';
import { writeSmallClip } from '../encoder/clip/small-clip.fixture.ts';
import { encoderOf } from '../encoder/encoder-of.ts';
import { loadEncoder } from '../encoder/load.ts';
import { writeSmallEncoder } from '../encoder/small-encoder.fixture.ts';
import { parseSite } from '../web/site.ts';
import { exportSite } from './site.ts';

vi.mock('../encoder/encoder-of.ts', { spy: true });

const at = workspace();

async function fitted(encoder: string): Promise<Classifier> {
  const sample = await readDataset(await sampleDataset());
  const examples = sample.examples.filter(({ label, split }) => label < 3 && split === 'train');
  const dataset = { ...sample, classes: sample.classes.slice(0, 3), examples };
  return fit(dataset, { encoder, method: 'tip-adapter', tune: 'fixed', alpha: 1, beta: 5 });
}

describe('a site of an encoder in ONNX', () => {
  it('keeps the folders of the models, as exports on the hub have them', async () => {
    const encoder = await writeSmallEncoder(at('onnx'));
    mkdirSync(at('onnx/onnx'));
    for (const model of ['vision_model.onnx', 'text_model.onnx'])
      renameSync(at(`onnx/${model}`), at(`onnx/onnx/${model}`));
    await using classifier = await fitted(encoder);
    const { files, difference } = await exportSite(classifier, at('onnx-site'));
    expect(difference).toBe(0);
    const paths = files.map(({ path }) => path);
    expect(paths).toContain('encoder/onnx/vision_model.onnx');
    const record = readFileSync(at('onnx-site/encoder/encoder.json'), 'utf8');
    expect(JSON.parse(record)).toMatchObject({ id: './onnx', source: './onnx' });
    expect(record).not.toContain(at(''));
    await using exported = await loadEncoder(at('onnx-site/encoder'));
    expect((await exported.embedTexts!(['a red photo'])).rows).toBe(1);
  });
});

describe('a site with 8-bit weights', () => {
  it.each([
    ['in ONNX', () => writeSmallEncoder(at('onnx-8'))],
    ['from weights', () => writeSmallClip(at('clip-8'), { names: 'open-clip' })],
  ])(
    'has an encoder %s of its own, which the classifier refers to, and the measured loss',
    async (kind, make) => {
      await using classifier = await fitted(await make());
      const { id, fingerprint } = classifier.data.encoder;
      const folder = at(`${kind}-8`);
      const { files, difference, quantised } = await exportSite(classifier, folder, { quantise: true });
      expect(difference).toBeLessThan(1e-5);
      expect(quantised!.loss).toMatchObject({ from: 'thumbnails', cosine: expect.closeTo(1, 1) });
      expect(quantised!.loss.cosine).toBeLessThan(1);
      const models = files.flatMap(({ path }) => (path.endsWith('.onnx') ? [path] : []));
      expect(models).toHaveLength(2);
      expect(models).toContain('encoder/image.onnx');
      await using exported = await loadEncoder(`${folder}/encoder`);
      await using own = await load(`${folder}/classifier.safetensors`);
      expect(own.data.encoder.fingerprint).toBe(exported.fingerprint);
      expect(exported.fingerprint).not.toBe(fingerprint);
      expect(own.data.encoder.id).toBe(`${id} (8-bit weights)`);
      expect(own.data.support).toEqual(classifier.data.support);
      const [before] = files.filter(({ path }) => path === 'encoder/image.onnx');
      expect(before!.bytes).toBe(quantised!.loss.bytes.after);
      const site = parseSite(readFileSync(`${folder}/site.json`, 'utf8'), 'site.json');
      expect(site.quantised).toEqual(quantised!.loss);
    },
  );

  it('is opened in programs as a folder, and no other place is known for it', async () => {
    await using classifier = await fitted(await writeSmallEncoder(at('placed')));
    await exportSite(classifier, at('placed-8'), { quantise: true });
    await using exported = await loadEncoder(at('placed-8/encoder'));
    expect(exported.id).toBe(at('placed-8/encoder'));
    await using saved = await load(at('placed-8/classifier.safetensors'));
    await expect(saved.predict(await sampleDataset())).rejects.toMatchObject({ code: 'encoder/quantised' });
    for (const name of ['resnet50-minilm', 'hf:foo/bar'])
      await expect(loadEncoder(`${name} (8-bit weights)`)).rejects.toMatchObject({
        code: 'encoder/quantised',
      });
  });

  it('is written for a classifier with the fingerprint that its encoder had in an earlier version', async () => {
    await using classifier = await fitted(writeSmallClip(at('former'), { names: 'open-clip' }));
    await using encoder = await loadEncoder(at('former'));
    const reference = { ...classifier.data.encoder, fingerprint: encoder.formerFingerprint! };
    writeFileSync(at('former.safetensors'), classifierBytes({ ...classifier.data, encoder: reference }));
    await using former = await load(at('former.safetensors'));
    await exportSite(former, at('former-8'), { quantise: true });
    await using exported = await loadEncoder(at('former-8/encoder'));
    await using own = await load(at('former-8/classifier.safetensors'));
    expect(own.data.encoder.fingerprint).toBe(exported.fingerprint);
  });

  it('refuses pictures to measure on without 8-bit weights', async () => {
    await using classifier = await fitted(await writeSmallEncoder(at('onnx-no')));
    await expect(exportSite(classifier, at('no'), { data: at('') })).rejects.toMatchObject({
      code: 'option/no-effect',
    });
  });
});

describe('a site of an encoder from weights', () => {
  let classifier: Classifier;
  beforeAll(async () => {
    classifier = await fitted(writeSmallClip(at('clip'), { names: 'open-clip' }));
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

  it('is not written with towers that give other texts', async () => {
    const own = await vi.importActual<typeof import('../encoder/encoder-of.ts')>('../encoder/encoder-of.ts');
    vi.mocked(encoderOf).mockImplementationOnce(async (...all) => {
      const encoder = await own.encoderOf(...all);
      return { ...encoder, embedTexts: async () => encoder.embedTexts!(['another text']) };
    });
    await expect(exportSite(classifier, at('other'))).rejects.toMatchObject({ code: 'export/differs' });
  });

  it('is refused for a method that encodes texts for every picture', async () => {
    const conditional = { data: { ...classifier.data, method: 'cocoop' } } as Classifier;
    await expect(exportSite(conditional, at('cocoop'))).rejects.toMatchObject({ code: 'export/method' });
  });

  it('replaces an earlier site, and neither a folder with other files nor a file', async () => {
    await exportSite(classifier, at('site'));
    const text = readFileSync(at('site/site.json'), 'utf8');
    expect(parseSite(text, 'site.json').encoder).toBe('encoder/');
    expect(() => parseSite(text.replace('"format": 1', '"format": 2'), 'site.json')).toThrow(
      'newer than this version',
    );
    mkdirSync(at('mine'));
    for (const owned of ['thesis.txt', 'site.json']) {
      writeFileSync(at(`mine/${owned}`), 'years of work');
      await expect(exportSite(classifier, at('mine'))).rejects.toMatchObject({ code: 'export/site-folder' });
    }
    expect(readFileSync(at('mine/thesis.txt'), 'utf8')).toBe('years of work');
    await expect(exportSite(classifier, at('mine/thesis.txt'))).rejects.toMatchObject({
      code: 'disk/not-a-folder',
    });
    expect(readFileSync(at('mine/thesis.txt'), 'utf8')).toBe('years of work');
  });
});
