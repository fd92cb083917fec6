import { thumbnailUrl } from './api.ts';
import { DRAGGED } from './drop.ts';
import { messages } from './messages.ts';
import { preview } from './preview.tsx';
import { neighbour, reached, seek, tabStop } from './roving-focus.ts';
import {
  discard,
  isSelected,
  selectBursts,
  selectClassOf,
  selectedHashes,
  selectTo,
  toggle,
} from './selection.ts';
import { openMoveMenu } from './selection-bar.tsx';
import { board, classNames } from './store.ts';
import { shown } from './view.ts';

/** A picture of the board in a grid. It can be selected, dragged and deleted; arrow keys move to the next one. */
export function Thumbnail({ hash, columns }: { hash: string; columns: number }) {
  const m = messages.value.collect;
  const picture = board.value.pictures.get(hash);
  if (!picture) return null;
  const chosen = isSelected(hash);
  const where = picture.classId ? (classNames.value.get(picture.classId) ?? '') : m.unsorted;
  return (
    <button
      type="button"
      class={`thumbnail${picture.group ? ' burst' : ''}`}
      draggable
      tabIndex={tabStop(picture.classId ?? '') === hash ? 0 : -1}
      data-place={hash}
      aria-pressed={chosen}
      aria-label={`${picture.name}, ${where}${picture.group ? `, ${m.burst}` : ''}`}
      title={picture.name}
      onFocus={() => reached(hash)}
      onClick={(event) => {
        // Safari does not focus a pressed button, but the next keys are meant for it.
        event.currentTarget.focus({ preventScroll: true });
        if (event.shiftKey) selectTo(hash);
        else toggle(hash);
      }}
      onDblClick={() => selectBursts([hash])}
      onDragStart={(event) => {
        event.dataTransfer?.setData(DRAGGED, JSON.stringify(chosen ? selectedHashes() : [hash]));
      }}
      onKeyDown={(event) => {
        if (press(event, hash, columns)) event.preventDefault();
      }}
    >
      <img src={thumbnailUrl(hash)} alt="" loading="lazy" decoding="async" draggable={false} />
    </button>
  );
}

/** Applies a key to the focused picture. Returns whether the key has an effect. */
function press(event: KeyboardEvent, hash: string, columns: number): boolean {
  const { key, shiftKey } = event;
  if (event.altKey) return false;
  if (event.ctrlKey || event.metaKey) {
    if (key.toLowerCase() !== 'a') return false;
    selectClassOf(hash);
    return true;
  }
  // On a Mac, the delete key is Backspace.
  if (key === 'Delete' || key === 'Backspace') {
    discard(isSelected(hash) ? selectedHashes() : [hash]);
    return true;
  }
  if (key === 'Enter') {
    preview(hash, shown.value.get(board.value.pictures.get(hash)?.classId ?? '')?.hashes ?? []);
    return true;
  }
  if (key.toLowerCase() === 'm') {
    if (!isSelected(hash)) toggle(hash);
    openMoveMenu();
    return true;
  }
  const next = neighbour(hash, key, columns);
  if (!next) return false;
  seek(next, true);
  if (shiftKey) selectTo(next, isSelected(hash) ? undefined : hash);
  return true;
}
