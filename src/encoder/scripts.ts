import { isJson, type Json } from './fields.ts';

/** Scripts of names, by their names in Unicode. Latin is left out, because every tokenizer has its letters. */
const SCRIPTS = [
  'Arabic',
  'Armenian',
  'Bengali',
  'Cyrillic',
  'Devanagari',
  'Ethiopic',
  'Georgian',
  'Greek',
  'Gujarati',
  'Gurmukhi',
  'Han',
  'Hangul',
  'Hebrew',
  'Hiragana',
  'Kannada',
  'Katakana',
  'Khmer',
  'Lao',
  'Malayalam',
  'Myanmar',
  'Sinhala',
  'Tamil',
  'Telugu',
  'Thai',
] as const;
type Script = (typeof SCRIPTS)[number];

const PATTERNS = new Map(SCRIPTS.map((script) => [script, new RegExp(`\\p{Script=${script}}`, 'u')]));
const OTHER_LETTER = /[^\P{L}\p{Script=Latin}\p{Script=Common}\p{Script=Inherited}]/u;

/**
 * The number of tokens of a script from which on a tokenizer counts as knowing the script. English vocabularies have up to 494 (BERT's
 * Chinese characters; CLIP's has 68 of Hangul), and multilingual ones have thousands.
 */
const KNOWN = 600;

/**
 * Returns a function that says whether a text has letters of a script that the tokenizer's vocabulary hardly has. Such letters become
 * unknown tokens or single bytes, about which the text tower has learnt nothing.
 *
 * @param tokenizer tokenizer.json, parsed
 */
export function foreignTo(tokenizer: Json): (text: string) => boolean {
  const counted = new Map<Script, boolean>();
  let pieces: readonly string[] | undefined;
  const knows = (script: Script): boolean => {
    pieces ??= foreignPieces(tokenizer);
    const pattern = PATTERNS.get(script)!;
    const known = counted.get(script) ?? pieces.filter((piece) => pattern.test(piece)).length >= KNOWN;
    counted.set(script, known);
    return known;
  };
  return (text) => {
    if (!OTHER_LETTER.test(text)) return false;
    const used = SCRIPTS.filter((script) => PATTERNS.get(script)!.test(text));
    return used.length === 0 || used.some((script) => !knows(script));
  };
}

/** The pieces of a vocabulary that have letters of other scripts than Latin. */
function foreignPieces({ model, pre_tokenizer }: Json): string[] {
  const vocabulary = isJson(model) ? model.vocab : undefined;
  const pieces = Array.isArray(vocabulary)
    ? vocabulary.map((entry) => String(Array.isArray(entry) ? entry[0] : entry))
    : Object.keys(isJson(vocabulary) ? vocabulary : {});
  const asBytes = JSON.stringify(pre_tokenizer ?? null).includes('"ByteLevel"');
  return (asBytes ? pieces.map(fromByteLetters) : pieces).filter((piece) => OTHER_LETTER.test(piece));
}

/** The letters by which byte-level tokenizers (GPT-2, CLIP) write the bytes of UTF-8: their own, or from U+0100 on. */
const BYTES = new Map<string, number>();
for (let byte = 0, next = 256; byte < 256; byte++) {
  const isPrinted = (byte >= 33 && byte <= 126) || (byte >= 161 && byte !== 173);
  BYTES.set(String.fromCodePoint(isPrinted ? byte : next++), byte);
}

function fromByteLetters(piece: string): string {
  const bytes = Array.from(piece.replace('</w>', ''), (letter) => BYTES.get(letter) ?? 0);
  return new TextDecoder().decode(Uint8Array.from(bytes));
}
