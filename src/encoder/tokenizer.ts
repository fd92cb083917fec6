import { Tokenizer } from '@huggingface/tokenizers';
import { ModelError } from '../errors.ts';
import type { Json } from './fields.ts';
import type { TextRule } from './record.ts';
import { checkTokenizer, checkTokenizerConfig } from './tokenizer-config.ts';

/**
 * Texts as token numbers: what tokenizer.json says, after the reference's cleaning and before its truncation, neither of
 * which that file carries.
 */
export interface TextTokenizer {
  /** Numbers of the text, start and end included, without padding; at most the rule's length. */
  encode(text: string): number[];
  /** How many tokens the text has, start and end included; those beyond the rule's length are not read. */
  count(text: string): number;
}

/**
 * @param files tokenizer.json and, where there is one, tokenizer_config.json, parsed. Throws `ModelError` where they hold what is not
 * understood; so does `encode` for a text that they have no tokens for.
 */
export function createTokenizer(
  { tokenizer: json, config = {} }: { tokenizer: Json; config?: Json },
  { cleaning, length }: Pick<TextRule, 'cleaning' | 'length'>,
): TextTokenizer {
  checkTokenizer(json);
  checkTokenizerConfig(config, json);
  const unreadable = (cause: unknown) =>
    new ModelError(`The encoder's tokenizer.json cannot be used: ${(cause as Error).message}`, {
      code: 'encoder/tokenizer',
      cause,
    });
  const { type, byte_fallback: bytes, unk_id: unknown } = json.model as Json;
  // Python spells a character that is in no piece in bytes; the library gives the unknown token.
  const spelt = type === 'Unigram' && bytes === true ? unknown : undefined;
  let tokenizer: Tokenizer;
  try {
    const { eos_token } = config;
    // The library needs every part to be named; the decoder is not used.
    const parts = { added_tokens: [], normalizer: null, pre_tokenizer: null, post_processor: null };
    tokenizer = new Tokenizer({ ...parts, ...json, decoder: null }, { eos_token });
  } catch (cause) {
    throw unreadable(cause);
  }
  const tokensOf = (text: string): number[] => {
    let ids: number[];
    try {
      ids = tokenizer.encode(cleaning === 'clip' ? cleanText(text) : text).ids;
    } catch (cause) {
      throw unreadable(cause);
    }
    // Where the unknown token is none of the vocabulary, the library gives undefined.
    const wrong = ids.findIndex((id) => !Number.isSafeInteger(id) || id < 0);
    if (wrong >= 0) throw unreadable(new Error(`it has the token number ${ids[wrong]} for "${text}"`));
    if (!ids.some((id) => id === spelt)) return ids;
    throw new ModelError(
      `The text "${text}" has a character that the tokenizer of the encoder spells in bytes`,
      {
        code: 'encoder/bytes',
        hint: 'Such a character is not supported; use other words.',
        details: { text },
      },
    );
  };
  return {
    encode: (text) => {
      const ids = tokensOf(text);
      if (ids.length <= length) return ids;
      return [...ids.slice(0, length - 1), ...ids.slice(-1)];
    },
    count: (text) => tokensOf(text).length,
  };
}

/** OpenAI's text handling before the byte pairs: entities unescaped twice, white space collapsed and trimmed. */
export function cleanText(text: string): string {
  return unescapeEntities(unescapeEntities(text)).replace(/\s+/gu, ' ').trim();
}

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

/** Numeric entities and the names in common use; others stay as they are. */
function unescapeEntities(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|(\w+));/g, (whole, decimal, hex, name) => {
    const code = name ? ENTITIES.get(name) : decimal ? Number(decimal) : Number.parseInt(hex, 16);
    return code !== undefined && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}
