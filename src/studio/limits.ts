import { sha256 } from '../sha256.ts';
import type { BoardPicture } from './board.ts';

/** Largest lengths of the texts on a board, in UTF-16 code units, and the largest number of pictures that are added by one command. */
export const MOST = { projectName: 200, className: 200, group: 100, pictureName: 500, added: 100_000 };

/** Whether a text has no lone surrogate and no NUL, which ends a text in other programs. */
export const wellFormed = (text: string) => !/\p{Surrogate}|\0/u.test(text);

/** The name of an imported class in a form that a board can keep: normalised, well-formed, and of at most the largest length. */
export function keptClassName(name: string): string {
  return distinct(name.normalize('NFC'), MOST.className);
}

/**
 * The name of a project's copy in a form that a board can keep: the copied name is cut if necessary, and the text that `copyOf` adds is
 * kept whole.
 */
export function keptCopyName(name: string, copyOf: (name: string) => string): string {
  return copyOf(shortened(name, MOST.projectName - copyOf('').length));
}

/** An imported picture in a form that a board can keep. Its name and its group are well-formed, and of at most the largest lengths. */
export function keptPicture({ name, group, ...rest }: BoardPicture): BoardPicture {
  return {
    ...rest,
    name: shortened(name, MOST.pictureName),
    group: group === undefined ? undefined : distinct(group, MOST.group),
  };
}

/** A text that must stay different from other texts. If it is too long, its end is replaced by a hash of the whole text. */
function distinct(text: string, most: number): string {
  if (text.length <= most) return shortened(text, most);
  const hash = sha256(new TextEncoder().encode(text)).slice(0, HASHED);
  return `${shortened(text, most - HASHED - 1)}…${hash}`;
}

const HASHED = 12;

/** A text without characters that a board refuses, cut between two code points. */
function shortened(text: string, most: number): string {
  // The cut may leave half of a code point, which is removed with the other lone surrogates.
  return text
    .replace(/\0/g, '')
    .slice(0, most)
    .replace(/\p{Surrogate}/gu, '');
}
