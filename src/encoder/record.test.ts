import { describe, expect, it } from 'vitest';
import type { Preprocessing } from '../image/types.ts';
import { fingerprintOf, parseRecord, tokenizerMeaning, tokenizerSense } from './record.ts';

const preprocessing: Preprocessing = {
  resize: 'shortest',
  resizeTo: 224,
  crop: 224,
  filter: 'bicubic',
  channels: 'rgb',
  layout: 'nchw',
  scale: 1 / 255,
  mean: [0, 0, 0],
  std: [1, 1, 1],
};
const meaning = {
  weights: ['aa', 'bb'],
  precision: 'fp32',
  preprocessing,
  tokenizer: 'cc',
  text: { cleaning: 'clip', length: 77, padding: 'fixed', pad: 0 },
} as const;

describe('fingerprint', () => {
  it('does not depend on the order of keys or the layout in memory', () => {
    const turned = Object.fromEntries(Object.entries(preprocessing).reverse()) as unknown as Preprocessing;
    const same = fingerprintOf({ ...meaning, preprocessing: { ...turned, layout: 'nhwc' } });
    expect(same).toBe(fingerprintOf(meaning));
  });

  it('keeps merges of pieces with blanks apart, and takes a text for the pair that it spells', () => {
    const sense = (merge: unknown) => tokenizerSense({ model: { merges: [merge] } });
    expect(sense(['a b', 'c'])).not.toBe(sense(['a', 'b c']));
    expect(sense('a b')).toBe(sense(['a', 'b']));
  });

  it.each([
    { precision: 'fp16' as const },
    { weights: ['aa'] },
    { tokenizer: 'dd' },
    { preprocessing: { ...preprocessing, filter: 'bilinear' as const } },
    { text: { ...meaning.text, cleaning: 'none' as const } },
  ])('changes with %o', (change) => {
    expect(fingerprintOf({ ...meaning, ...change })).not.toBe(fingerprintOf(meaning));
  });

  it('of a tokenizer ignores padding and truncation', () => {
    const model = { vocab: { a: 0, b: 1 } };
    expect(tokenizerMeaning({ model, padding: null })).toBe(
      tokenizerMeaning({ padding: { pad_id: 1 }, model: { vocab: { b: 1, a: 0 } } }),
    );
    expect(tokenizerMeaning({ model: { vocab: { a: 1, b: 0 } } })).not.toBe(tokenizerMeaning({ model }));
  });
});

describe('record', () => {
  it.each(['', '[]', '{"format":2}', '{"format":1,"id":"x","files":[{"path":"../x"}]}'])(
    'refuses %j',
    (text) => {
      expect(() => parseRecord(text, 'here/encoder.json')).toThrowError(/here\/encoder\.json/);
    },
  );
});
