import { signal } from '@preact/signals';
import { board, picturesByClass } from './store.ts';
import type { Sought } from './virtual-list.tsx';

/**
 * Where the keyboard is among the pictures. A place is a value of `data-place`: a picture's hash, the header of a class, or the
 * field of its name.
 */
export const headerPlace = (classId: string) => `class ${classId}`;
export const namePlace = (classId: string) => `name ${classId}`;

/** The place that gets the focus when it is there. */
export const sought = signal<Sought | undefined>(undefined);

/** Moves the focus there. The list is scrolled for those who see the focus; whoever uses a pointer keeps what they look at. */
export function seek(
  place: string,
  scroll = document.activeElement?.matches(':focus-visible') ?? false,
): void {
  sought.value = { place, scroll };
}

/** Each class's picture that had the focus last: the one that Tab comes back to. */
const lastOf = signal<ReadonlyMap<string, string>>(new Map());
/** The picture that had the focus last. */
let last = '';

const classOf = (hash: string) => board.value.pictures.get(hash)?.classId ?? '';

export function reached(hash: string): void {
  last = hash;
  if (tabStop(classOf(hash)) !== hash) lastOf.value = new Map(lastOf.value).set(classOf(hash), hash);
}

/** The one picture of a class that Tab stops at; arrow keys lead to the others. */
export function tabStop(classId: string): string | undefined {
  const known = lastOf.value.get(classId);
  const isThere = known !== undefined && board.value.pictures.has(known) && classOf(known) === classId;
  return isThere ? known : picturesByClass.value.get(classId)?.[0];
}

/** Pictures in the order in which they are shown, class by class; none of an empty class. */
const grids = () => [...picturesByClass.value.values()].filter((hashes) => hashes.length > 0);

/** All that lies from one picture to another, both included. */
export function between(one: string, other: string): string[] {
  const all = grids().flat();
  const ends = [all.indexOf(one), all.indexOf(other)];
  return all.slice(Math.max(0, Math.min(...ends)), Math.max(...ends) + 1);
}

/** The picture that an arrow key, Home or End leads to in grids of so many columns. */
export function neighbour(hash: string, key: string, columns: number): string | undefined {
  const all = grids();
  const grid = all.findIndex((hashes) => hashes.includes(hash));
  const [hashes, before, after] = [all[grid], all[grid - 1], all[grid + 1]];
  if (!hashes) return undefined;
  const here = hashes.indexOf(hash);
  const column = here % columns;
  switch (key) {
    case 'ArrowLeft':
      return hashes[here - 1] ?? before?.at(-1);
    case 'ArrowRight':
      return hashes[here + 1] ?? after?.[0];
    case 'ArrowUp':
      if (here >= columns) return hashes[here - columns];
      return before?.[
        Math.min(before.length - 1, before.length - 1 - ((before.length - 1) % columns) + column)
      ];
    case 'ArrowDown':
      if (here + columns < hashes.length) return hashes[here + columns];
      // A last row that is shorter is gone to all the same.
      if (here - column + columns < hashes.length) return hashes.at(-1);
      return after?.[Math.min(after.length - 1, column)];
    case 'Home':
      return hashes[0];
    case 'End':
      return hashes.at(-1);
    default:
      return undefined;
  }
}

/** Where to go on when some pictures leave their place: the next one that stays, the one before, or the header of the class. */
export function placeAfter(leaving: readonly string[]): string {
  const gone = new Set(leaving);
  const [from = ''] = board.value.pictures.has(last) ? [last] : leaving;
  const hashes = picturesByClass.value.get(classOf(from)) ?? [];
  const here = hashes.indexOf(from);
  const stays = (hash: string) => !gone.has(hash);
  return (
    hashes.slice(here).find(stays) ?? hashes.slice(0, here).findLast(stays) ?? headerPlace(classOf(from))
  );
}
