import type { BoardPicture } from './board.ts';

/** Largest lengths of the texts on a board, in UTF-16 code units, and the largest number of pictures that are added by one command. */
export const MOST = { className: 200, group: 100, pictureName: 500, added: 100_000 };

/** Whether a text has no lone surrogate and no NUL, which ends a text in other programs. */
export const wellFormed = (text: string) => !/\p{Surrogate}|\0/u.test(text);

/** The name of an imported class as a board can keep it: normalised, well-formed, and cut to the largest length. */
export function keptClassName(name: string): string {
  return shortened(name.normalize('NFC'), MOST.className);
}

/** An imported picture as a board can keep it. Its name and its group are well-formed, and cut to the largest lengths. */
export function keptPicture({ name, group, ...rest }: BoardPicture): BoardPicture {
  return {
    ...rest,
    name: shortened(name, MOST.pictureName),
    group: group === undefined ? undefined : shortened(group, MOST.group),
  };
}

/** A text without characters that a board refuses, cut between two code points. */
function shortened(text: string, most: number): string {
  // The cut may leave half of a code point, which is removed with the other lone surrogates.
  return text
    .replace(/\0/g, '')
    .slice(0, most)
    .replace(/\p{Surrogate}/gu, '');
}
