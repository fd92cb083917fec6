import { sameName } from '../board.ts';
import { bringIn, filesOf } from './bring-in.ts';
import { cameraFor } from './camera.tsx';
import { Icon } from './icons.tsx';
import { messages } from './messages.ts';
import { board, classNames, notify, perform } from './store.ts';

/** Name and tools of a class, or of what is not sorted yet (an empty id). */
export function ClassHeader({ id, count, isOver }: { id: string; count: number; isOver: boolean }) {
  const m = messages.value.collect;
  const name = classNames.value.get(id);
  if (name === undefined) {
    return (
      <div class={`class-header${isOver ? ' over' : ''}`} data-class="">
        <h3>{m.unsorted}</h3>
        <span class="muted hint">{m.unsortedHint}</span>
        <span class="count">{m.countShort(count)}</span>
      </div>
    );
  }
  return (
    <div class={`class-header${isOver ? ' over' : ''}`} data-class={id}>
      <ClassName id={id} name={name} />
      <span class="count" title={m.count(count)}>
        {m.countShort(count)}
      </span>
      <button
        type="button"
        class="quiet square"
        aria-label={m.camera(name)}
        title={m.camera(name)}
        onClick={() => {
          cameraFor.value = id;
        }}
      >
        <Icon name="camera" />
      </button>
      <label class="button quiet square" title={m.addTo(name)}>
        <Icon name="plus" />
        <input
          type="file"
          class="hidden"
          multiple
          accept="image/*,.heic,.zip"
          aria-label={m.addTo(name)}
          onChange={({ currentTarget }) => {
            void bringIn(filesOf(currentTarget.files ?? []), { classId: id });
            currentTarget.value = '';
          }}
        />
      </label>
      <ClassMenu id={id} name={name} count={count} />
    </div>
  );
}

function ClassName({ id, name }: { id: string; name: string }) {
  const rename = (typed: string) => {
    const twin = board.value.classes.find((other) => other.id !== id && sameName(other.name, typed));
    if (twin) notify({ kind: 'merged', names: [twin.name] });
    perform({ do: 'rename-class', id, name: typed });
  };
  return (
    <input
      type="text"
      class="class-name"
      aria-label={messages.value.collect.className}
      value={name}
      maxLength={200}
      spellcheck={false}
      onKeyDown={(event) => {
        if (event.key === 'Escape') event.currentTarget.value = name;
        if (event.key === 'Enter' || event.key === 'Escape') event.currentTarget.blur();
      }}
      onBlur={({ currentTarget }) => {
        const typed = currentTarget.value.trim();
        if (typed === '' || typed === name) currentTarget.value = name;
        else rename(typed);
      }}
    />
  );
}

function ClassMenu({ id, name, count }: { id: string; name: string; count: number }) {
  const m = messages.value.collect;
  const others = board.value.classes.filter((other) => other.id !== id);
  return (
    <details class="menu" onToggle={({ currentTarget }) => closeOutside(currentTarget)}>
      <summary class="button quiet square" aria-label={m.more(name)} title={m.more(name)}>
        <Icon name="more" />
      </summary>
      <div>
        {others.length > 0 && (
          <select
            aria-label={m.mergeInto}
            value=""
            onChange={({ currentTarget }) =>
              perform({ do: 'merge-classes', from: id, into: currentTarget.value })
            }
          >
            <option value="">{m.mergeInto}</option>
            {others.map((other) => (
              <option key={other.id} value={other.id}>
                {other.name}
              </option>
            ))}
          </select>
        )}
        <button type="button" onClick={() => perform({ do: 'discard-class', id })}>
          {m.discardClass(count)}
        </button>
      </div>
    </details>
  );
}

/** An open menu closes by Escape and by a click elsewhere. */
function closeOutside(menu: HTMLDetailsElement): void {
  if (!menu.open) return;
  const stop = new AbortController();
  const close = () => {
    menu.open = false;
    stop.abort();
  };
  document.addEventListener(
    'pointerdown',
    ({ target }) => {
      if (!menu.contains(target as Node)) close();
    },
    { signal: stop.signal },
  );
  menu.addEventListener(
    'keydown',
    ({ key }) => {
      if (key !== 'Escape') return;
      close();
      menu.querySelector('summary')?.focus();
    },
    { signal: stop.signal },
  );
}
