import { Icon } from './icons.tsx';
import { Menu } from './menu.tsx';
import { messages } from './messages.ts';
import { headerPlace, seek } from './roving-focus.ts';
import { board, check } from './store.ts';
import {
  areAllFolded,
  FILTERS,
  type Filter,
  filter,
  filterBy,
  foldAll,
  isNarrowed,
  SORTS,
  showAll,
  shown,
  sortBy,
  wantedName,
} from './view.ts';

/** From this number of classes or pictures on, the page offers ways to find some of them. */
const MANY_CLASSES = 8;
const MANY_PICTURES = 100;

/** Finds classes and pictures on a large board: filters them by name or by problem, and sorts and collapses classes. */
export function FindBar() {
  const m = messages.value.find;
  const { classes, pictures } = board.value;
  const isMany = classes.length >= MANY_CLASSES || pictures.size >= MANY_PICTURES;
  if (!isMany && !isNarrowed.value) return null;
  return (
    <search class="find" aria-label={m.heading}>
      <div class="actions">
        <input
          type="text"
          aria-label={m.name}
          title={m.nameHint}
          placeholder={m.name}
          value={wantedName.value}
          onInput={({ currentTarget }) => {
            wantedName.value = currentTarget.value;
          }}
          onKeyDown={({ key }) => {
            if (key === 'Enter') jump();
            else if (key === 'Escape') showAll();
          }}
        />
        <select
          aria-label={m.filter}
          value={filter.value}
          disabled={!check.value}
          onChange={({ currentTarget }) => filterBy(currentTarget.value as Filter)}
        >
          {FILTERS.map((id) => (
            <option key={id} value={id}>
              {m.filters[id]}
            </option>
          ))}
        </select>
        <Menu
          title={m.sort}
          items={() =>
            SORTS.filter((id) => id !== 'trouble' || check.value).map((id) => ({
              key: id,
              text: m.sorts[id],
              act: () => sortBy(id),
            }))
          }
        >
          {m.sort}
          <Icon name="open" />
        </Menu>
        <button type="button" onClick={() => foldAll(!areAllFolded.value)}>
          {areAllFolded.value ? m.openAll : m.collapseAll}
        </button>
      </div>
      <p class="muted small" role="status">
        {isNarrowed.value && <Narrowed />}
      </p>
    </search>
  );
}

/** States how much of the board is shown, so that a part never looks like the whole, with a button that shows everything. */
function Narrowed() {
  const m = messages.value.find;
  const found = [...shown.value].filter(([id]) => id !== '');
  const pictures = [...shown.value.values()].reduce((sum, { passing }) => sum + passing, 0);
  const isOfTested = filter.value === 'unsure' || filter.value === 'suspects';
  return (
    <>
      {m.shown(pictures, board.value.pictures.size, found.length, board.value.classes.length)}{' '}
      {isOfTested && m.ofTested(check.value?.total ?? 0)}{' '}
      <button type="button" class="quiet" onClick={showAll}>
        {m.showAll}
      </button>
    </>
  );
}

/** Goes to the first class that was found, in the whole list. */
function jump(): void {
  const first = [...shown.value.keys()].find((id) => id !== '');
  if (first === undefined) return;
  showAll();
  seek(headerPlace(first), true);
}
