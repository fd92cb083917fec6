import { classItems, newClassItem } from './class-choice.tsx';
import { Icon } from './icons.tsx';
import { Menu } from './menu.tsx';
import { messages } from './messages.ts';
import { preview } from './preview.tsx';
import { burstsOf, clearSelection, discard, move, selectBursts, selectedHashes } from './selection.ts';
import { board } from './store.ts';

const MOVE_KEY = 'M';

/** The actions for the selected pictures. */
export function SelectionBar() {
  const m = messages.value.collect;
  const hashes = selectedHashes();
  const [first] = hashes;
  if (first === undefined) return null;
  return (
    <div class="selection" role="toolbar" aria-label={m.selected(hashes.length)}>
      <span role="status">{m.selected(hashes.length)}</span>
      <button type="button" onClick={() => preview(first, hashes)}>
        {m.look}
      </button>
      <Menu title={`${m.moveTo} (${MOVE_KEY})`} keys={MOVE_KEY} items={() => targets(hashes)}>
        {m.moveTo}
        <Icon name="open" />
      </Menu>
      {burstsOf(hashes).length > hashes.filter(isOfBurst).length && (
        <button type="button" onClick={() => selectBursts(hashes)}>
          {m.wholeBurst}
        </button>
      )}
      <button type="button" aria-keyshortcuts="Delete" onClick={() => discard(hashes)}>
        {m.discard}
      </button>
      <button
        type="button"
        class="quiet square"
        aria-keyshortcuts="Escape"
        aria-label={m.clear}
        title={m.clear}
        onClick={clearSelection}
      >
        <Icon name="close" />
      </button>
    </div>
  );
}

const isOfBurst = (hash: string) => board.value.pictures.get(hash)?.group !== undefined;

/** The classes that at least one of the pictures is not in, with the unsorted pictures as a class. */
function targets(hashes: readonly string[]) {
  const own = new Set(hashes.map((hash) => board.value.pictures.get(hash)?.classId));
  const [only] = own.size === 1 ? own : [null];
  const classes = classItems(only ? [only] : [], (id) => move(hashes, id));
  const fresh = newClassItem((id) => move(hashes, id));
  if (only === undefined) return [...classes, fresh];
  const unsorted = {
    key: '',
    text: messages.value.collect.unsorted,
    act: () => move(hashes, undefined),
  };
  return [...classes, unsorted, fresh];
}

/** Opens the choice of a class for the selection, even if its bar is not shown yet. */
export function openMoveMenu(): void {
  requestAnimationFrame(() =>
    document.querySelector<HTMLElement>(`.selection [aria-keyshortcuts=${MOVE_KEY}]`)?.click(),
  );
}
