import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { cleanText, createTokenizer } from './tokenizer.ts';

const shared = new URL('../../../shared/', import.meta.url);
const golden = new URL('golden/tiny_clip_vit/tokens.json', shared);
const tokenizerFile = new URL('data/tokenizer/tokenizer.json', shared);
const json = (url: URL) => JSON.parse(readFileSync(url, 'utf8'));

describe('text cleaning', () => {
  it('unescapes entities twice, as the reference does', () => {
    expect(cleanText('&lt;b&gt; &amp;amp; fish')).toBe('<b> & fish');
    expect(cleanText('caf&eacute; &#38; &#x26; &unknown; &#99999999;')).toBe(
      'café & & &unknown; &#99999999;',
    );
  });

  it('collapses white space of every kind', () => {
    expect(cleanText(' a\t\nb\u3000\u00a0c ')).toBe('a b c');
  });
});

it('a text that is too long is cut before its last token', () => {
  const { encode, count } = createTokenizer({ tokenizer: words() }, { cleaning: 'none', length: 4 });
  expect(encode('one two')).toEqual([1, 3, 4, 2]);
  expect(encode('one two three')).toEqual([1, 3, 4, 2]);
  expect(count('one two three')).toBe(5);
});

it('a token that is erased becomes token 0, also after a cut', () => {
  const rule = { cleaning: 'none', length: 4, erased: 2 } as const;
  const { encode } = createTokenizer({ tokenizer: words() }, rule);
  expect(encode('one')).toEqual([1, 3, 0]);
  expect(encode('one two three')).toEqual([1, 3, 4, 0]);
});

it("open_clip's canonical form has no capitals, no ASCII punctuation and spaces for underscores", () => {
  const { encode } = createTokenizer({ tokenizer: words() }, { cleaning: 'canonicalize', length: 9 });
  expect(encode(' One_two, &quot;THREE&quot;!')).toEqual([1, 3, 4, 5, 2]);
});

/** A tokenizer of three words. */
function words() {
  const vocab = { '[UNK]': 0, '[CLS]': 1, '[SEP]': 2, one: 3, two: 4, three: 5 };
  const special = (id: string) => ({ SpecialToken: { id, type_id: 0 } });
  return {
    model: { type: 'WordPiece', unk_token: '[UNK]', continuing_subword_prefix: '##', vocab },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [special('[CLS]'), { Sequence: { id: 'A', type_id: 0 } }, special('[SEP]')],
      pair: [],
      special_tokens: {
        '[CLS]': { id: '[CLS]', ids: [1], tokens: ['[CLS]'] },
        '[SEP]': { id: '[SEP]', ids: [2], tokens: ['[SEP]'] },
      },
    },
  };
}

const needed = [golden, tokenizerFile];
describe.skipIf(!needed.every((url) => existsSync(url)))(
  'CLIP tokens (needs ../shared/golden and data)',
  () => {
    it('equal those of the 45 reference texts, including the three difficult ones', () => {
      const { texts } = json(golden) as { texts: { text: string; ids: number[] }[] };
      const { encode } = createTokenizer(
        { tokenizer: json(tokenizerFile) },
        { cleaning: 'clip', length: 77 },
      );
      expect(texts).toHaveLength(45);
      for (const { text, ids } of texts) expect({ text, ids: encode(text) }).toEqual({ text, ids });
    });

    it('include Chinese', () => {
      const { encode } = createTokenizer(
        { tokenizer: json(tokenizerFile) },
        { cleaning: 'clip', length: 77 },
      );
      expect(encode('苹果').length).toBeGreaterThan(2);
    });
  },
);
