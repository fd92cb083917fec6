import { effect, signal } from '@preact/signals';
import { messages } from './messages.ts';
import { between, placeAfter, seek } from './roving-focus.ts';
import { board, classNames, perform } from './store.ts';
import { tellDone } from './undoable.tsx';
import { filter, shown, wantedName } from './view.ts';

/** Hashes of the selected pictures. */
const selected = signal<ReadonlySet<string>>(new Set());
// A picture that another filter hides must not be deleted unseen.
effect(() => {
  void [filter.value, wantedName.value];
  selected.value = new Set();
});
/** The picture that a range begins at. */
let anchor: string | undefined;

export const isSelected = (hash: string): boolean => selected.value.has(hash);

/** The selected pictures that are still on the board. */
export const selectedHashes = (): string[] =>
  [...selected.value].filter((hash) => board.value.pictures.has(hash));

const add = (hashes: readonly string[]) => {
  selected.value = new Set([...selected.value, ...hashes]);
};

export function toggle(hash: string): void {
  const next = new Set(selected.value);
  if (!next.delete(hash)) next.add(hash);
  selected.value = next;
  anchor = hash;
}

/** Selects all pictures from the one that was chosen last to this one. */
export function selectTo(hash: string, from = anchor): void {
  anchor = from !== undefined && board.value.pictures.has(from) ? from : hash;
  add(between(anchor, hash));
}

export function selectClassOf(hash: string): void {
  add(shown.value.get(board.value.pictures.get(hash)?.classId ?? '')?.hashes ?? []);
}

/** All pictures of the bursts of the given ones. */
export function burstsOf(hashes: readonly string[]): string[] {
  const groups = new Set(hashes.flatMap((hash) => board.value.pictures.get(hash)?.group ?? []));
  if (groups.size === 0) return [];
  return [...board.value.pictures.values()]
    .filter(({ group }) => group !== undefined && groups.has(group))
    .map(({ hash }) => hash);
}

export function selectBursts(hashes: readonly string[]): void {
  add(burstsOf(hashes));
}

export function clearSelection(): void {
  seek(placeAfter([]));
  selected.value = new Set();
}

export function discard(hashes: readonly string[]): void {
  seek(placeAfter(hashes));
  perform({ do: 'discard', hashes });
  selected.value = new Set();
  tellDone(messages.value.collect.discarded(hashes.length));
}

/** Moves pictures to a class or, if it is undefined, to the unsorted ones, and the focus to the next picture. */
export function move(hashes: readonly string[], classId: string | undefined): void {
  seek(placeAfter(movedTo(hashes, classId)));
  place(hashes, classId);
  selected.value = new Set();
}

const movedTo = (hashes: readonly string[], classId: string | undefined) =>
  hashes.filter((hash) => board.value.pictures.get(hash)?.classId !== classId);

/** Moves pictures, and says so where it was done. */
export function place(hashes: readonly string[], classId: string | undefined, part?: string): void {
  const m = messages.value.collect;
  const count = movedTo(hashes, classId).length;
  perform({ do: 'place', hashes, classId });
  if (count > 0) tellDone(m.moved(count, classNames.value.get(classId ?? '') ?? m.unsorted), part);
}
