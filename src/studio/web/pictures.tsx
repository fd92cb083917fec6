import { signal } from '@preact/signals';
import { thumbnailUrl } from './api.ts';
import { messages } from './messages.ts';
import { board, classNames, perform } from './store.ts';

/** Type of what is dragged inside the page: the hashes of pictures. */
export const DRAGGED = 'application/x-tip-adapter-pictures';

/** Hashes of the pictures the person has selected. */
const selected = signal<ReadonlySet<string>>(new Set());

function toggle(hash: string): void {
  const next = new Set(selected.value);
  if (!next.delete(hash)) next.add(hash);
  selected.value = next;
}

const clear = () => {
  selected.value = new Set();
};

/** A picture of the board: select it, drag it, delete it; arrow keys go on to the next one. */
export function Thumbnail({ hash }: { hash: string }) {
  const m = messages.value.collect;
  const picture = board.value.pictures.get(hash);
  if (!picture) return null;
  const isSelected = selected.value.has(hash);
  const shown = picture.classId ? (classNames.value.get(picture.classId) ?? '') : m.unsorted;
  return (
    <button
      type="button"
      class={`thumbnail${picture.group ? ' burst' : ''}`}
      draggable
      aria-pressed={isSelected}
      aria-label={`${picture.name}, ${shown}${picture.group ? `, ${m.burst}` : ''}`}
      title={picture.name}
      onClick={() => toggle(hash)}
      onDragStart={(event) => {
        const hashes = isSelected ? [...selected.value] : [hash];
        event.dataTransfer?.setData(DRAGGED, JSON.stringify(hashes));
      }}
      onKeyDown={(event) => {
        if (event.key === 'Delete') discard(isSelected ? [...selected.value] : [hash]);
        else moveFocus(event);
      }}
    >
      <img src={thumbnailUrl(hash)} alt="" loading="lazy" decoding="async" draggable={false} />
    </button>
  );
}

function discard(hashes: readonly string[]): void {
  perform({ do: 'discard', hashes });
  clear();
}

const STEPS: Readonly<Record<string, number>> = { ArrowLeft: -1, ArrowRight: 1 };

/** Left and right go through the pictures that are shown; up and down to the nearest one in the next row. */
function moveFocus(event: KeyboardEvent & { currentTarget: HTMLButtonElement }): void {
  const all = [
    ...(event.currentTarget.closest('.virtual')?.querySelectorAll<HTMLElement>('.thumbnail') ?? []),
  ];
  const here = all.indexOf(event.currentTarget);
  const step = STEPS[event.key];
  const next = step ? all[here + step] : verticalNeighbour(all, here, event.key);
  if (!next) return;
  event.preventDefault();
  next.focus();
}

function verticalNeighbour(all: readonly HTMLElement[], here: number, key: string): HTMLElement | undefined {
  if (key !== 'ArrowUp' && key !== 'ArrowDown') return undefined;
  const from = all[here].getBoundingClientRect();
  const places = all.map((element) => ({ element, box: element.getBoundingClientRect() }));
  const beyond = places.filter(({ box }) => (key === 'ArrowDown' ? box.top > from.top : box.top < from.top));
  const distance = (box: DOMRect) => 10 * Math.abs(box.top - from.top) + Math.abs(box.left - from.left);
  return beyond.sort((a, b) => distance(a.box) - distance(b.box))[0]?.element;
}

/** What can be done with the selected pictures. */
export function SelectionBar() {
  const m = messages.value.collect;
  const hashes = [...selected.value].filter((hash) => board.value.pictures.has(hash));
  if (hashes.length === 0) return null;
  return (
    <div class="selection" role="toolbar" aria-label={m.selected(hashes.length)}>
      <span>{m.selected(hashes.length)}</span>
      <select
        aria-label={m.moveTo}
        value=""
        onChange={({ currentTarget }) => {
          perform({ do: 'place', hashes, classId: currentTarget.value });
          clear();
        }}
      >
        <option value="">{m.moveTo}</option>
        {board.value.classes.map(({ id, name }) => (
          <option key={id} value={id}>
            {name}
          </option>
        ))}
      </select>
      <button type="button" onClick={() => discard(hashes)}>
        {m.discard}
      </button>
      <button type="button" class="quiet" onClick={clear}>
        {m.clear}
      </button>
    </div>
  );
}
