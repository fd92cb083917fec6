import { signal } from '@preact/signals';
import { useCallback, useLayoutEffect } from 'preact/hooks';
import { bringIn, bringing, filesOf, incomingOf } from './bring-in.ts';
import { ClassHeader } from './class-header.tsx';
import { focusHeading } from './focus.ts';
import { Icon } from './icons.tsx';
import { messages } from './messages.ts';
import { DRAGGED, Thumbnail } from './pictures.tsx';
import { headerPlace, namePlace, seek, sought, tabStop } from './places.ts';
import { clearSelection, selectedHashes } from './selection.ts';
import { SelectionBar } from './selection-bar.tsx';
import { board, perform, picturesByClass } from './store.ts';
import { VirtualList, type VirtualRow } from './virtual-list.tsx';

const THUMBNAIL = 84;
const GAP = 8;
const HEADER = 56;
/** In a list that is narrower than this, the hint on what is not sorted yet has lines of its own. */
const NARROW = 520;
const HEADER_WITH_HINT = 84;
const HINT = 64;
const END = 12;

/** The class that something is dragged over. */
const dropClass = signal<string | undefined>(undefined);

export function Collect() {
  const m = messages.value.collect;
  const { classes, pictures } = board.value;
  const isEmpty = pictures.size === 0 && classes.length === 0;
  return (
    <section
      id="collect"
      aria-labelledby="collect-heading"
      onDragOver={(event) => {
        dropClass.value = classUnder(event.target);
      }}
      onDragLeave={() => {
        dropClass.value = undefined;
      }}
      onDrop={(event) => {
        dropClass.value = undefined;
        void dropOn(event, classUnder(event.target));
      }}
      onKeyDown={({ key, target }) => {
        const isTyping = target instanceof HTMLInputElement && target.type === 'text';
        if (key === 'Escape' && !isTyping && selectedHashes().length > 0) clearSelection();
      }}
    >
      <div class="heading">
        <h2 id="collect-heading">{m.heading}</h2>
        <p>{isEmpty ? m.lead : m.total(pictures.size, classes.length)}</p>
      </div>
      <div class="actions">
        <FileButton label={m.addPictures} icon="pictures" accept="image/*,.heic,.zip" />
        <FileButton label={m.addFolder} icon="folder" folder />
        <button type="button" onClick={addClass}>
          <Icon name="plus" />
          {m.newClass}
        </button>
      </div>
      {bringing.value && (
        <label class="bringing">
          {m.bringing(bringing.value.done, bringing.value.total)}
          <progress value={bringing.value.done} max={bringing.value.total} />
        </label>
      )}
      {isEmpty ? (
        <div class="drop-hint">
          <Icon name="pictures" />
          <strong>{m.dropTitle}</strong>
          <p>{m.dropText}</p>
        </div>
      ) : (
        <PictureList />
      )}
      <SelectionBar />
    </section>
  );
}

function PictureList() {
  const lists = picturesByClass.value;
  const { classes } = board.value;
  const over = dropClass.value;
  const rowsFor = useCallback(
    (width: number): VirtualRow[] => {
      const unsorted = lists.get('') ?? [];
      return [
        ...(unsorted.length > 0 ? classRows('', unsorted, width, over === '') : []),
        ...classes.flatMap(({ id }) => classRows(id, lists.get(id) ?? [], width, over === id)),
      ];
    },
    [lists, classes, over],
  );
  // What had the focus goes with the last of the list.
  useLayoutEffect(() => {
    const section = document.getElementById('collect');
    return () => {
      if (section?.contains(document.activeElement)) focusHeading(section);
    };
  }, []);
  return (
    <VirtualList
      rowsFor={rowsFor}
      label={messages.value.collect.heading}
      sought={sought.value}
      onFound={() => {
        sought.value = undefined;
      }}
    />
  );
}

/** A class as rows: its header, then its pictures, as many in a row as fit. */
function classRows(id: string, hashes: readonly string[], width: number, isOver: boolean): VirtualRow[] {
  const columns = Math.max(1, Math.floor((width - GAP) / (THUMBNAIL + GAP)));
  const rows: VirtualRow[] = [
    {
      key: `class ${id}`,
      height: id === '' && width < NARROW ? HEADER_WITH_HINT : HEADER,
      places: [headerPlace(id), namePlace(id)],
      isStop: () => id !== '',
      render: () => <ClassHeader id={id} count={hashes.length} isOver={isOver} />,
    },
  ];
  for (let start = 0; start < hashes.length; start += columns) {
    const some = hashes.slice(start, start + columns);
    rows.push({
      key: `${id} ${start}`,
      height: THUMBNAIL + GAP,
      places: some,
      isStop: () => some.includes(tabStop(id) ?? ''),
      render: () => (
        <div class={`thumbnails${isOver ? ' over' : ''}`} data-class={id}>
          {some.map((hash) => (
            <Thumbnail key={hash} hash={hash} columns={columns} />
          ))}
        </div>
      ),
    });
  }
  if (hashes.length === 0) {
    rows.push({
      key: `${id} hint`,
      height: HINT,
      render: () => (
        <p class={`class-hint${isOver ? ' over' : ''}`} data-class={id}>
          {messages.value.collect.empty}
        </p>
      ),
    });
  }
  return [...rows, { key: `${id} end`, height: END, render: () => null }];
}

const classUnder = (target: EventTarget | null): string | undefined =>
  (target as Element | null)?.closest<HTMLElement>('[data-class]')?.dataset.class;

async function dropOn(event: DragEvent, over: string | undefined): Promise<void> {
  event.preventDefault();
  const data = event.dataTransfer as DataTransfer;
  const dragged = data.getData(DRAGGED);
  if (dragged) {
    if (over !== undefined)
      perform({ do: 'place', hashes: JSON.parse(dragged) as string[], classId: over || undefined });
    return;
  }
  await bringIn(await incomingOf(data), { classId: over || undefined });
}

function addClass(): void {
  const taken = new Set(board.value.classes.map(({ name }) => name));
  let count = board.value.classes.length + 1;
  while (taken.has(messages.value.collect.newClassName(count))) count++;
  const id = crypto.randomUUID();
  perform({ do: 'add-class', id, name: messages.value.collect.newClassName(count) });
  seek(namePlace(id), true);
}

/** A button that lets the person choose files, or a folder. */
function FileButton({
  label,
  icon,
  accept,
  folder,
}: {
  label: string;
  icon: 'pictures' | 'folder';
  accept?: string;
  folder?: boolean;
}) {
  return (
    <label class="button">
      <Icon name={icon} />
      {label}
      <input
        type="file"
        class="hidden"
        multiple
        accept={accept}
        {...(folder ? { webkitdirectory: true } : {})}
        onChange={({ currentTarget }) => {
          void bringIn(filesOf(currentTarget.files ?? []));
          currentTarget.value = '';
        }}
      />
    </label>
  );
}
