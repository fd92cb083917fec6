import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ModelError } from '../errors.ts';
import { createTokenizer } from './tokenizer.ts';

const RULE = { cleaning: 'none', length: 100 } as const;
const tokenizer = (parts: object = {}) => ({
  added_tokens: [],
  normalizer: { type: 'Lowercase' },
  pre_tokenizer: { type: 'BertPreTokenizer' },
  post_processor: null,
  decoder: null,
  model: { type: 'WordPiece', unk_token: '?', vocab: { '?': 0, a: 1, cat: 2 } },
  ...parts,
});
const unigram = (parts: object = {}) =>
  tokenizer({
    pre_tokenizer: null,
    model: {
      type: 'Unigram',
      unk_id: 0,
      vocab: [
        ['?', 0],
        ['a', -1],
        ['b', -2],
      ],
      ...parts,
    },
  });
const open = (json: object, config?: object) =>
  createTokenizer({ tokenizer: json as never, config: config as never }, RULE);

describe('tokenizer.json', () => {
  it('is used if all of it is supported', () => {
    const { encode, count } = open(tokenizer());
    expect(encode('A cat')).toEqual([1, 2]);
    expect(count('a cat a cat')).toBe(4);
    expect(open(unigram()).encode('ab')).toEqual([1, 2]);
  });

  it.each([
    ['a model', { model: { type: 'WordLevel', vocab: {} } }, 'model.type cannot be "WordLevel"'],
    ['dropout', { model: { type: 'BPE', vocab: {}, merges: [], dropout: 0.1 } }, 'model.dropout'],
    [
      'a prefix of byte pairs',
      { model: { type: 'BPE', vocab: {}, merges: [], continuing_subword_prefix: '##' } },
      'model.continuing_subword_prefix',
    ],
    ['a normaliser', { normalizer: { type: 'Nmt' } }, 'normalizer.type'],
    [
      'one of several',
      { normalizer: { type: 'Sequence', normalizers: [{ type: 'NFC' }, { type: 'Nmt' }] } },
      'normalizer.normalizers[1].type',
    ],
    [
      'a pre-tokenizer',
      { pre_tokenizer: { type: 'Whitespace' } },
      'pre_tokenizer.type cannot be "Whitespace"',
    ],
    [
      'a behaviour',
      { pre_tokenizer: { type: 'Split', pattern: { String: ' ' }, behavior: 'Contiguous', invert: false } },
      'pre_tokenizer.behavior',
    ],
    ['a post-processor', { post_processor: { type: 'Own' } }, 'post_processor.type'],
    ['a part', { lattice: {} }, 'lattice'],
    ['a token of whole words', { added_tokens: [{ id: 3, content: 'x', single_word: true }] }, 'single_word'],
    ['a number of a token', { added_tokens: [{ id: 0.5, content: 'x' }] }, 'added_tokens[0].id'],
  ])('is refused by name for an unsupported %s', (_, parts, name) => {
    expect(() => open(tokenizer(parts))).toThrow(ModelError);
    expect(() => open(tokenizer(parts))).toThrow(name);
  });

  it('never gives invalid token numbers', () => {
    const model = { type: 'WordPiece', unk_token: '?', vocab: { '?': 0, a: 1.5, cat: -2 } };
    for (const text of ['a', 'cat']) {
      expect(() => open(tokenizer({ model })).encode(text)).toThrow(ModelError);
    }
    const nameless = { type: 'WordPiece', unk_token: 'gone', vocab: { a: 0 } };
    expect(() => open(tokenizer({ model: nameless })).encode('a dog')).toThrow(
      'number undefined for "a dog"',
    );
  });

  it('refuses a text with a character that is split into bytes', () => {
    const { encode } = open(unigram({ byte_fallback: true }));
    expect(encode('ba')).toEqual([2, 1]);
    expect(() => encode('a🐈')).toThrow('splits into bytes');
    expect(open(unigram({ byte_fallback: false })).encode('ac')).toEqual([1, 0]);
  });
});

describe('tokenizer_config.json', () => {
  const bert = tokenizer({ normalizer: { type: 'BertNormalizer', lowercase: true, strip_accents: null } });
  it.each([
    [{ do_lower_case: false }, 'do_lower_case'],
    [{ split_special_tokens: true }, 'split_special_tokens'],
  ])('is refused if it contradicts tokenizer.json: %j', (config, name) => {
    expect(() => open(bert, config)).toThrow(name);
  });

  it('is accepted if it agrees, or if its fields are for other tokenizers', () => {
    const config = { do_lower_case: true, strip_accents: null, legacy: true, chat_template: 'x' };
    expect(open(bert, config).encode('A')).toEqual([1]);
  });
});

const golden = join(import.meta.dirname, '../../../shared/golden/families/tokenizers');
describe.skipIf(!existsSync(golden))("tokens follow Python's tokenizers (../shared/golden/families)", () => {
  const read = (name: string) => JSON.parse(readFileSync(join(golden, name), 'utf8'));
  const { texts, ids } = existsSync(golden) ? read('expected.json') : { texts: [], ids: {} };

  it.each([
    ['gemma-bpe', 0],
    ['siglip-norms', 0],
    ['unigram-plain', 0],
    ['unigram-bytefallback', 16],
    ['siglip-bytefallback', 8],
  ])('%s: %i texts need bytes and are refused', (name, refusals) => {
    const { encode } = open(read(`${name}.tokenizer.json`));
    let refused = 0;
    texts.forEach((text: string, i: number) => {
      try {
        expect(encode(text), text).toEqual(ids[name][i]);
      } catch (error) {
        if (!(error instanceof ModelError)) throw error;
        refused++;
      }
    });
    expect(refused).toBe(refusals);
  });
});
