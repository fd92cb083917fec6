import { signal } from '@preact/signals';
import { board } from './store.ts';
import { isShown, shown } from './view.ts';
import type { Sought } from './virtual-list.tsx';

/**
 * The keyboard focus among the pictures. A place is a value of `data-place`: a picture's hash, the header of a class, or the field of
 * its name.
 */
export const headerPlace = (classId: string) => `class ${classId}`;
export const namePlace = (classId: string) => `name ${classId}`;

/** The place that gets the focus as soon as it is in the document. */
export const sought = signal<Sought | undefined>(undefined);

/** Moves the focus to a place. The list scrolls to it only if the focus is visible, so that it does not move for users of a pointer. */
export function seek(
  place: string,
  scroll = document.activeElement?.matches(':focus-visible') ?? false,
): void {
  sought.value = { place, scroll };
}

/** For each class, the picture that had the focus last. Tab returns to it. */
const lastOf = signal<ReadonlyMap<string, string>>(new Map());
/** The picture that had the focus last. */
let last = '';

const classOf = (hash: string) => board.value.pictures.get(hash)?.classId ?? '';

export function reached(hash: string): void {
  last = hash;
  if (tabStop(classOf(hash)) !== hash) lastOf.value = new Map(lastOf.value).set(classOf(hash), hash);
}

/** The only picture of a class that Tab stops at. Arrow keys move to the others. */
export function tabStop(classId: string): string | undefined {
  const known = lastOf.value.get(classId);
  const isThere = known !== undefined && classOf(known) === classId && isShown(known);
  return isThere ? known : shown.value.get(classId)?.hashes[0];
}

/** Pictures in the order in which they are shown, by class, without empty classes. */
const grids = () =>
  [...shown.value.values()].map(({ hashes }) => hashes).filter((hashes) => hashes.length > 0);

/** The pictures from one to another, both included. */
export function between(one: string, other: string): string[] {
  const all = grids().flat();
  const ends = [all.indexOf(one), all.indexOf(other)];
  return all.slice(Math.max(0, Math.min(...ends)), Math.max(...ends) + 1);
}

/** The picture that an arrow key, Home or End moves to, in grids of `columns` columns. */
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
      // A shorter last row is reached too.
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

/** The next focus if some pictures are removed: the next remaining picture, the one before, or the header of the class. */
export function placeAfter(leaving: readonly string[]): string {
  const gone = new Set(leaving);
  const [from = ''] = board.value.pictures.has(last) ? [last] : leaving;
  const hashes = shown.value.get(classOf(from))?.hashes ?? [];
  const here = hashes.indexOf(from);
  const stays = (hash: string) => !gone.has(hash);
  return (
    hashes.slice(here).find(stays) ?? hashes.slice(0, here).findLast(stays) ?? headerPlace(classOf(from))
  );
}
