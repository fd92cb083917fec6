import { Tokenizer } from '@huggingface/tokenizers';
import { ModelError } from '../errors.ts';
import type { Json } from './fields.ts';
import type { TextRule } from './record.ts';
import { foreignTo } from './scripts.ts';
import { checkTokenizer, checkTokenizerConfig } from './tokenizer-config.ts';

/**
 * Converts texts to token numbers: the reference's cleaning, then tokenizer.json, then truncation. The file states neither the cleaning
 * nor the truncation.
 */
export interface TextTokenizer {
  /** Token numbers of the text with start and end, without padding, at most as many as the rule's length. */
  encode(text: string): number[];
  /** Number of tokens of the text with start and end, before truncation. */
  count(text: string): number;
  /** Whether the text has letters of a script that the vocabulary hardly has. */
  isForeign(text: string): boolean;
}

/**
 * Throws `ModelError` if the files hold something unsupported. `encode` throws it for a text without tokens in the vocabulary.
 *
 * @param files tokenizer.json and, if it exists, tokenizer_config.json, parsed
 */
export function createTokenizer(
  { tokenizer: json, config = {} }: { tokenizer: Json; config?: Json },
  { cleaning, length, erased }: Pick<TextRule, 'cleaning' | 'length' | 'erased'>,
): TextTokenizer {
  checkTokenizer(json);
  checkTokenizerConfig(config, json);
  const unreadable = (cause: unknown) =>
    new ModelError(`The encoder's tokenizer.json cannot be used: ${(cause as Error).message}`, {
      code: 'encoder/tokenizer',
      cause,
    });
  const { type, byte_fallback: bytes, unk_id: unknown } = json.model as Json;
  // For a character without a piece, Python's tokenizers use byte tokens, but the library uses the unknown token.
  const spelt = type === 'Unigram' && bytes === true ? unknown : undefined;
  let tokenizer: Tokenizer;
  try {
    const { eos_token } = config;
    // The library requires every part, and a list of added tokens. The decoder is not used.
    const parts = { normalizer: null, pre_tokenizer: null, post_processor: null };
    const added_tokens = json.added_tokens ?? [];
    tokenizer = new Tokenizer({ ...parts, ...json, added_tokens, decoder: null }, { eos_token });
  } catch (cause) {
    throw unreadable(cause);
  }
  const tokensOf = (text: string): number[] => {
    let ids: number[];
    try {
      ids = tokenizer.encode(CLEANINGS[cleaning](text)).ids;
    } catch (cause) {
      throw unreadable(cause);
    }
    // If the unknown token is not in the vocabulary, the library returns undefined.
    const wrong = ids.findIndex((id) => !Number.isSafeInteger(id) || id < 0);
    if (wrong >= 0) throw unreadable(new Error(`it has the token number ${ids[wrong]} for "${text}"`));
    if (!ids.some((id) => id === spelt)) return ids;
    throw new ModelError(
      `The text "${text}" has a character that the tokenizer of the encoder splits into bytes`,
      {
        code: 'encoder/bytes',
        hint: 'Such characters are not supported. Use other words.',
        details: { text },
      },
    );
  };
  return {
    encode: (text) => {
      const ids = tokensOf(text).map((id) => (id === erased ? 0 : id));
      if (ids.length <= length) return ids;
      return [...ids.slice(0, length - 1), ...ids.slice(-1)];
    },
    count: (text) => tokensOf(text).length,
    isForeign: foreignTo(json),
  };
}

/** OpenAI's cleaning before tokenization: entities unescaped twice, white space collapsed and trimmed. */
export function cleanText(text: string): string {
  return unescapeEntities(unescapeEntities(text)).replace(/\s+/gu, ' ').trim();
}

const CLEANINGS: Readonly<Record<TextRule['cleaning'], (text: string) => string>> = {
  none: (text) => text,
  clip: cleanText,
  canonicalize: (text) =>
    cleanText(
      cleanText(text)
        .replaceAll('_', ' ')
        .replace(/[!-/:-@[-`{-~]/g, '')
        .toLowerCase(),
    ),
};

/** The names HTML gives to the characters 160 to 255, in order. */
const LATIN = (
  'nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 acute micro para ' +
  'middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute ' +
  'Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute ' +
  'THORN szlig agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde ' +
  'ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml'
).split(' ');

const ENTITIES = new Map<string, number>([
  ...LATIN.map((name, i): [string, number] => [name, 160 + i]),
  ...Object.entries({ amp: 38, lt: 60, gt: 62, quot: 34, apos: 39, ndash: 8211, mdash: 8212, lsquo: 8216 }),
  ...Object.entries({
    rsquo: 8217,
    ldquo: 8220,
    rdquo: 8221,
    bull: 8226,
    hellip: 8230,
    euro: 8364,
    trade: 8482,
  }),
]);

/** Replaces numeric entities and common named ones. Other entities stay. */
function unescapeEntities(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|(\w+));/g, (whole, decimal, hex, name) => {
    const code = name ? ENTITIES.get(name) : decimal ? Number(decimal) : Number.parseInt(hex, 16);
    return code !== undefined && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}
