import * as z from 'zod/mini';
import { type Fields, isJson, type Json, readFields, unused } from './fields.ts';

/**
 * The fields of `tokenizer.json` that `@huggingface/tokenizers` supports, from its source (0.2) and a comparison with Python's
 * tokenizers. The library silently ignores other fields, so they are refused here.
 */
const POSITIONS = 'it gives the position of a token in the text';
const DECODING = 'it is for decoding tokens to text';
const off = z.literal(false);
const list = z.custom<readonly unknown[]>(Array.isArray, 'it must be a list');
const object = z.custom<Json>(isJson, 'it must be an object');
const pattern = z.union([z.strictObject({ String: z.string() }), z.strictObject({ Regex: z.string() })]);

/** Fields of each type of a part. */
type Types = Readonly<Record<string, Fields>>;

const MODELS: Types = {
  BPE: {
    vocab: object,
    merges: list,
    unk_token: z.string(),
    fuse_unk: z.boolean(),
    byte_fallback: z.boolean(),
    ignore_merges: z.boolean(),
    end_of_word_suffix: z.string(),
    continuing_subword_prefix: z.literal(''),
    dropout: z.literal(0),
  },
  WordPiece: {
    vocab: object,
    unk_token: z.string(),
    continuing_subword_prefix: z.string(),
    max_input_chars_per_word: z.number(),
  },
  Unigram: { vocab: list, unk_id: z.int().check(z.nonnegative()), byte_fallback: z.boolean() },
};

const NORMALIZERS: Types = {
  BertNormalizer: {
    clean_text: z.boolean(),
    handle_chinese_chars: z.boolean(),
    strip_accents: z.boolean(),
    lowercase: z.boolean(),
  },
  Precompiled: { precompiled_charsmap: z.string() },
  Replace: { pattern, content: z.string() },
  Strip: { strip_left: z.boolean(), strip_right: z.boolean() },
  Prepend: { prepend: z.string() },
  NFC: {},
  NFD: {},
  NFKC: {},
  NFKD: {},
  StripAccents: {},
  Lowercase: {},
};

const PRE_TOKENIZERS: Types = {
  BertPreTokenizer: {},
  ByteLevel: {
    ...unused(POSITIONS, ['trim_offsets']),
    add_prefix_space: z.boolean(),
    use_regex: z.boolean(),
  },
  Digits: { individual_digits: z.boolean() },
  Metaspace: {
    ...unused('prepend_scheme decides it', ['add_prefix_space']),
    replacement: z.string(),
    str_rep: z.string(),
    prepend_scheme: z.enum(['always', 'first', 'never']),
    split: z.boolean(),
  },
  Punctuation: { behavior: z.literal('Contiguous') },
  Replace: { pattern, content: z.string() },
  Split: {
    pattern,
    // Gemma has this. Its normaliser leaves no space to split at.
    behavior: z.enum(['Removed', 'Isolated', 'MergedWithPrevious']),
    invert: z.boolean(),
  },
  WhitespaceSplit: {},
};

const POST_PROCESSORS: Types = {
  BertProcessing: { cls: z.tuple([z.string(), z.int()]), sep: z.tuple([z.string(), z.int()]) },
  ByteLevel: unused(POSITIONS, ['add_prefix_space', 'trim_offsets', 'use_regex']),
  RobertaProcessing: {
    ...unused(POSITIONS, ['trim_offsets', 'add_prefix_space']),
    cls: z.tuple([z.string(), z.int()]),
    sep: z.tuple([z.string(), z.int()]),
  },
  TemplateProcessing: {
    ...unused('texts are never encoded in pairs', ['pair']),
    single: list,
    special_tokens: object,
  },
};

/** The field in which a sequence of each kind has its parts. */
const SEQUENCES = { normalizer: 'normalizers', pre_tokenizer: 'pretokenizers', post_processor: 'processors' };

const TOKENIZER = {
  ...unused(DECODING, ['decoder']),
  ...unused('the text rule decides it', ['truncation', 'padding']),
  version: z.string(),
  added_tokens: list,
  model: object,
  normalizer: object,
  pre_tokenizer: object,
  post_processor: object,
} as const satisfies Fields;

const ADDED_TOKEN = {
  content: z.string(),
  id: z.int().check(z.nonnegative(), z.lte(1e8)),
  single_word: off,
  lstrip: z.boolean(),
  rstrip: z.boolean(),
  normalized: z.boolean(),
  special: z.boolean(),
} as const satisfies Fields;

const FILE = 'tokenizer.json';

/** Throws `ModelError` that names the first part or field of a `tokenizer.json` that `@huggingface/tokenizers` does not support. */
export function checkTokenizer(tokenizer: unknown): void {
  const { added_tokens, model, ...parts } = readFields(tokenizer, TOKENIZER, { file: FILE });
  for (const [i, token] of (added_tokens ?? []).entries())
    readFields(token, ADDED_TOKEN, { file: FILE }, `added_tokens[${i}].`);
  checkPart(model, MODELS, 'model.');
  for (const [name, table] of [
    ['normalizer', NORMALIZERS],
    ['pre_tokenizer', PRE_TOKENIZERS],
    ['post_processor', POST_PROCESSORS],
  ] as const) {
    const part = parts[name];
    if (part) checkSequence(part, table, SEQUENCES[name], `${name}.`);
  }
}

function checkSequence(part: unknown, types: Types, key: string, within: string): void {
  if (!isJson(part) || part.type !== 'Sequence') {
    checkPart(part, types, within);
    return;
  }
  const fields = { type: z.string(), [key]: list };
  const { [key]: members = [] } = readFields(part, fields, { file: FILE }, within) as Record<
    string,
    unknown[]
  >;
  for (const [i, member] of members.entries()) checkSequence(member, types, key, `${within}${key}[${i}].`);
}

function checkPart(part: unknown, types: Types, within: string): void {
  const type = isJson(part) && typeof part.type === 'string' ? part.type : '';
  const known = Object.hasOwn(types, type) ? types[type] : {};
  readFields(part, { ...known, type: z.enum(Object.keys(types)) }, { file: FILE }, within);
}

/** Fields of `tokenizer_config.json` that transformers prefers to those of `tokenizer.json`. */
const OVERRIDES = [
  ['add_prefix_space', 'pre_tokenizer', 'add_prefix_space'],
  ['do_lower_case', 'normalizer', 'lowercase'],
  ['strip_accents', 'normalizer', 'strip_accents'],
  ['tokenize_chinese_chars', 'normalizer', 'handle_chinese_chars'],
] as const;

/**
 * Throws `ModelError` if `tokenizer_config.json` contradicts `tokenizer.json`. Its other fields are for transformers' slow tokenizers
 * or for decoding, or are covered by the text rule.
 */
export function checkTokenizerConfig(config: Json, tokenizer: Json): void {
  const file = 'tokenizer_config.json';
  readFields({ split_special_tokens: config.split_special_tokens }, { split_special_tokens: off }, { file });
  for (const [field, name, own] of OVERRIDES) {
    const part = tokenizer[name];
    const value = isJson(part) ? part[own] : undefined;
    if (typeof value !== 'boolean') continue;
    readFields({ [field]: config[field] }, { [field]: z.literal(value, `${FILE} says ${value}`) }, { file });
  }
}
