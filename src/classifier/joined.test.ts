import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { encodeImages } from '../encoder/encode.ts';
import { joinEncoders, partsOfName, withEqualWeights } from '../encoder/joined.ts';
import { registerEncoder } from '../encoder/registered.ts';
import type { Encoder } from '../encoder/types.ts';
import { createImageLoader } from '../image/loader.ts';
import { dot, type Matrix, norm, row } from '../math/matrix.ts';
import { openFeatureCache } from '../store/feature-cache.ts';
import { fakeEncoder, picture, workspace, writePictures } from './fake-encoder.fixture.ts';
import { fit } from './fit.ts';
import { load } from './index.ts';

vi.mock('../image/loader.ts', async (original) =>
  (await import('./fake-encoder.fixture.ts')).sharedDecoders(original),
);

const at = workspace();
const cosine = (a: Float32Array, b: Float32Array) => dot(a, b) / (norm(a) * norm(b));

/** An encoder without texts, which sees smaller pictures, in another order of its numbers. */
function blindEncoder(): ReturnType<typeof fakeEncoder> {
  const { embedTexts: _, ...encoder } = fakeEncoder('blind', 'b');
  return {
    ...encoder,
    preprocessing: { ...encoder.preprocessing, resizeTo: 8, crop: 8 },
    embedImages: async (pixels) => {
      expect(pixels.every(({ width, height }) => width === 8 && height === 8)).toBe(true);
      const rows = await encoder.embedImages(pixels);
      return { ...rows, data: rows.data.map((x, i) => 3 * x + 0.1 * (i % 5)) };
    },
  };
}

const encode = async (encoder: Encoder, cache?: ReturnType<typeof openFeatureCache>) => {
  const items = [1, 2, 3].map((n) => ({ id: `${n}`, read: () => picture('cat', n) }));
  return encodeImages(encoder, items, { cache, loader: createImageLoader() });
};

describe('joined encoders', () => {
  it('have unit rows whose cosines are the weighted means of the cosines of the parts', async () => {
    const [a, b] = [fakeEncoder(), blindEncoder()];
    const [own, other] = [(await encode(a)).features, (await encode(b)).features];
    await fc.assert(
      fc.asyncProperty(fc.double({ min: 0.05, max: 0.95, noNaN: true }), async (weight) => {
        const { features } = await encode(joinEncoders([a, b], [weight, 1 - weight]));
        const pair = (rows: Matrix) => cosine(row(rows, 0), row(rows, 1));
        expect(norm(row(features, 0))).toBeCloseTo(1, 5);
        expect(pair(features)).toBeCloseTo(weight * pair(own) + (1 - weight) * pair(other), 5);
      }),
      { numRuns: 4 },
    );
  });

  it('have the zero-shot scores of the only part that reads, and the mean of two', async () => {
    const [a, b, c] = [fakeEncoder(), blindEncoder(), fakeEncoder('third', 'c', 40)];
    const scores = async (encoder: Encoder) => {
      const text = await encoder.embedTexts!(['a cat']);
      const { features } = await encode(encoder);
      return [0, 1, 2].map((i) => encoder.logitScale * cosine(row(features, i), row(text, 0)));
    };
    const [first, third] = [await scores(a), await scores(c)];
    const joined = await scores(joinEncoders([a, b], [0.3, 0.7]));
    // The cosine with a joined row is smaller by the root of the weight, and the scale is larger by it.
    joined.forEach((score, i) => {
      expect(score).toBeCloseTo(first[i]!, 3);
    });
    (await scores(joinEncoders([a, b, c], [0.2, 0.5, 0.3]))).forEach((score, i) => {
      expect(score).toBeCloseTo(0.4 * first[i]! + 0.6 * third[i]!, 3);
    });
  });

  it('take features from the caches of their parts, and encode nothing again for other weights', async () => {
    const [a, b] = [fakeEncoder(), blindEncoder()];
    const cache = openFeatureCache(at('features'));
    await encode(a, cache);
    const fresh = await encode(joinEncoders([a, b]), cache);
    expect([a.asked.images, b.asked.images]).toEqual([6, 3]);
    const { features, hits } = await encode(joinEncoders([a, b], [0.8, 0.2]), cache);
    expect([a.asked.images, b.asked.images, hits]).toEqual([6, 3, 3]);
    const direct = await encode(joinEncoders([a, b], [0.8, 0.2]));
    features.data.forEach((x, i) => {
      expect(x).toBeCloseTo(direct.features.data[i]!, 5);
    });
    expect(fresh.features.cols).toBe(32);
    await cache.close();
  });

  it('are fitted with weights by left-out examples, and found again by the name in the file', async () => {
    for (const encoder of [fakeEncoder('first'), { ...blindEncoder(), id: 'second' }])
      registerEncoder(encoder);
    const photos = await writePictures(at('photos'), { cat: 4, dog: 4, owl: 4 });
    const classifier = await fit(photos, { encoder: 'first+second', method: 'tip-adapter' });
    const { id, dimension } = classifier.data.encoder;
    expect(id).toMatch(/^0\.\d\*first\+0\.\d\*second$/);
    expect(dimension).toBe(32);
    expect(classifier.findings.map(({ code }) => code)).toContain('fit/joined');
    const query = await picture('owl', 9);
    const [answer] = (await classifier.predict([query])).predictions;
    expect(answer!.id).toBe('owl');
    await classifier.save(at('joined.safetensors'));
    const read = await load(at('joined.safetensors'));
    const [again] = (await read.predict([query])).predictions;
    expect(again!.probability).toBeCloseTo(answer!.probability, 5);
    const given = await fit(photos, { encoder: id, method: 'tip-adapter', tune: 'fixed' });
    expect(given.data.encoder.fingerprint).toBe(classifier.data.encoder.fingerprint);
    given.data.support.features.data.forEach((x, i) => {
      expect(x).toBeCloseTo(classifier.data.support.features.data[i]!, 2);
    });
    await Promise.all([given.close(), read.close(), classifier.close()]);
  });

  it('get equal weights for work that chooses none, and the name gives them', () => {
    const [a, b, c] = [fakeEncoder('a'), blindEncoder(), fakeEncoder('c', 'c')];
    const free = joinEncoders([a, b, c]);
    const equal = withEqualWeights(free);
    expect([free.id, equal.id]).toEqual(['a+blind+c', '0.3333*a+0.3333*blind+0.3333*c']);
    expect(equal.fingerprint).toBe(free.fingerprint);
    expect(equal.joined!.free).toBe(false);
    const given = joinEncoders([a, b], [0.9, 0.1]);
    expect([withEqualWeights(given), withEqualWeights(a)]).toEqual([given, a]);
  });

  it('have the limit of the part that reads least, and warn of a script that one part has not learnt', async () => {
    const reading = (id: string, read: number, foreign?: boolean[]): Encoder => ({
      ...fakeEncoder(id, id),
      textLength: async () => ({ tokens: [3, 12], read, foreign }),
    });
    const lengths = (...encoders: Encoder[]) => joinEncoders(encoders).textLength!(['cat', '猫']);
    const [a, b, c] = [reading('a', 10, [false, true]), reading('b', 8, [false, false]), reading('c', 20)];
    expect(await lengths(a, b)).toEqual({ tokens: [3, 12], read: 8, foreign: [false, true] });
    expect(await lengths(b, c)).toEqual({ tokens: [3, 12], read: 8, foreign: [false, false] });
    expect(await lengths(c, { ...c, id: 'd' })).toEqual({ tokens: [3, 12], read: 20 });
  });

  it.each([
    ['a', undefined],
    ['hf:owner/repo@main#fp16', undefined],
    ['a+./b', [{ name: 'a' }, { name: './b' }]],
    [
      '0.6*a+.4*b',
      [
        { name: 'a', weight: 0.6 },
        { name: 'b', weight: 0.4 },
      ],
    ],
  ])('have the name %s', (name, parts) => {
    expect(partsOfName(name)).toEqual(parts);
  });

  it.each([
    ['a+', 'one has no name'],
    ['0.5*a', 'there is only one'],
    ['0.5*a+b', 'only some have a weight'],
    ['a+a', 'a occurs twice'],
    ['0*a+1*b', 'a weight is 0'],
  ])('cannot have the name %s', (name, why) => {
    expect(() => partsOfName(name)).toThrow(why);
  });
});
