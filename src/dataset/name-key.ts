/** Characters that are not seen, but for those that change how scripts and emoji look: joiners, variations, tags of flags. */
const INVISIBLE =
  /(?!\p{Join_Control}|\p{Variation_Selector}|[\u{e0020}-\u{e007f}])\p{Default_Ignorable_Code_Point}/gu;

/**
 * A class's name, or another value that is compared, as it is seen: in Unicode form NFC, without characters that are not seen
 * (zero-width space, byte order mark, soft hyphen, marks of writing direction), every blank a plain one, none at the ends.
 */
export function visible(text: string): string {
  return text
    .replace(INVISIBLE, '')
    .replace(/[\s\u0085]+/g, ' ')
    .trim()
    .normalize('NFC');
}

/**
 * How a class's name is compared: without regard to case, `_`, `-`, blanks, characters that are not seen, Unicode forms (accents,
 * full width), and how a number is written (1, 01, 1.0, 1,0).
 */
export function nameKey(name: string): string {
  const key = name
    .replace(/\p{Default_Ignorable_Code_Point}+/gu, '')
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\s_-]+/g, ' ')
    .trim();
  return /^\d+([.,]0+)?$/.test(key) ? key.replace(/^0+(?=\d)|[.,]0+$/g, '') : key;
}
