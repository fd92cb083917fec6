import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Classifier } from '../classifier/classifier.ts';
import { picture, workspace, writePictures } from '../classifier/fake-encoder.fixture.ts';
import { fit } from '../classifier/fit.ts';
import { load } from '../classifier/index.ts';
import { writeSmallVision } from '../encoder/vision/small-vision.fixture.ts';
import { listMethods } from '../methods/index.ts';
import { modelCard } from './card.ts';
import { exportOnnx } from './onnx-export.ts';

describe('a classifier of an encoder that reads no texts', () => {
  const at = workspace();
  let classifier: Classifier;
  let photos: string;
  let encoder: string;

  beforeAll(async () => {
    encoder = writeSmallVision(at('encoder'));
    photos = await writePictures(at('photos'), { cat: 4, dog: 4 });
    classifier = await fit(photos, { encoder, thumbnails: false });
  });
  afterAll(() => classifier?.close());

  it('is made by auto from the methods that need no class names', async () => {
    expect(classifier.data.head).toBeUndefined();
    const compared = classifier.data.tuning.compared ?? [];
    expect(compared.length).toBeGreaterThan(1);
    const reading = listMethods().filter(({ needs }) => needs.includes('text'));
    for (const { method } of compared) expect(reading.map(({ id }) => id)).not.toContain(method);
    const { predictions } = await classifier.predict([await picture('cat', 9), await picture('dog', 9)]);
    expect(predictions.map(({ id }) => id)).toEqual(['cat', 'dog']);
  });

  it('is evaluated, extended by a class, and read back', async () => {
    expect((await classifier.evaluate(await writePictures(at('test'), { cat: [7], dog: [7] }))).correct).toBe(
      2,
    );
    const more = await classifier.add(await writePictures(at('more'), { fox: 3 }));
    await more.save(at('more.safetensors'));
    const read = await load(at('more.safetensors'));
    const { predictions } = await read.predict([await picture('fox', 9)]);
    expect(predictions[0]!.id).toBe('fox');
    await read.close();
    await more.close();
  });

  it('is exported with its tower, and its card says that it has no prompts', async () => {
    const { difference } = await exportOnnx(classifier);
    expect(difference).toBeLessThan(1e-4);
    expect(modelCard(classifier.data)).toContain('class names are not read');
  });

  it.each([
    ['zero-shot', {}, 'needs class names, and the encoder'],
    ['tip-adapter', {}, 'needs class names, and the encoder'],
    ['auto', { template: ['a {}'] }, 'template is about class names, and the encoder'],
    ['prototype', { prompts: 'imagenet' }, 'prompts is about class names, and the encoder'],
  ])('is refused before a picture is encoded with %s %o', async (method, more, message) => {
    const work = fit(photos, { encoder, method, ...more, onProgress: () => expect.fail('encoded') });
    await expect(work).rejects.toMatchObject({
      code: 'encoder/no-texts',
      message: expect.stringContaining(message),
    });
  });
});
