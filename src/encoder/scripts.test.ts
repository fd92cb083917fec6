import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { foreignTo } from './scripts.ts';

/** A vocabulary with `n` tokens of a script, from its first letter on. */
const letters = (first: string, n: number) =>
  Array.from(
    { length: n },
    (_, i) => `${first}${String.fromCodePoint(first.codePointAt(0)! + (i % 30))}${i}`,
  );
const vocab = (pieces: string[]) => Object.fromEntries(pieces.map((piece, i) => [piece, i]));

describe('scripts of a vocabulary', () => {
  it('are those with many tokens; Latin letters, digits and signs are never foreign', () => {
    const english = foreignTo({
      model: { vocab: vocab(['cat', ...letters('中', 400), ...letters('а', 80)]) },
    });
    expect(['cat', 'Löwe', 'naïve', '№ 7', '', '-'].filter(english)).toEqual([]);
    expect(['猫', 'a photo of a 猫.', 'кошка', 'γάτα', 'แมว', 'ꦏ'].filter((text) => !english(text))).toEqual(
      [],
    );
    const chinese = foreignTo({ model: { vocab: vocab(letters('中', 700)) } });
    expect(['猫', 'кошка', 'ねこ'].map(chinese)).toEqual([false, true, true]);
  });

  it('are read from lists of pieces, and from the bytes of byte-level tokenizers', () => {
    const pieces = letters('а', 700);
    expect(foreignTo({ model: { vocab: pieces.map((piece) => [piece, -1]) } })('кошка')).toBe(false);
    // GPT-2 writes the bytes d0 b0 (а) as the letters U+00D0 and U+00B0.
    const bytes = pieces.map((_, i) => `Ð°Ð${String.fromCodePoint(0xb0 + (i % 8))}${i}</w>`);
    const parts = { pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'ByteLevel' }] } };
    expect(foreignTo({ model: { vocab: vocab(bytes) }, ...parts })('кошка')).toBe(false);
    expect(foreignTo({ model: { vocab: vocab(bytes) } })('кошка')).toBe(true);
  });

  const clip = new URL('../../../shared/data/tokenizer/tokenizer.json', import.meta.url);
  it.skipIf(!existsSync(clip))("of CLIP's tokenizer are Latin alone (needs ../shared/data)", () => {
    const isForeign = foreignTo(JSON.parse(readFileSync(clip, 'utf8')));
    expect(['cat', 'Löwe', '猫', 'кошка', 'ねこ', '고양이'].map(isForeign)).toEqual([
      false,
      false,
      true,
      true,
      true,
      true,
    ]);
  });
});
