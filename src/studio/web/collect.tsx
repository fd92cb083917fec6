import { useCallback, useLayoutEffect } from 'preact/hooks';
import { cameraFor } from './camera.tsx';
import { ClassHeader } from './class-header.tsx';
import { dropClass } from './drop.ts';
import { FileLabel } from './file-label.tsx';
import { FindBar } from './find-bar.tsx';
import { focusHeading } from './focus.ts';
import { Icon } from './icons.tsx';
import { messages } from './messages.ts';
import { isTouch } from './parts.ts';
import { ProgressBar } from './progress.tsx';
import { headerPlace, namePlace, seek, sought, tabStop } from './roving-focus.ts';
import { clearSelection, selectedHashes } from './selection.ts';
import { SelectionBar } from './selection-bar.tsx';
import { Start } from './start.tsx';
import { board, classNames, mayBeRemoved, perform, picturesByClass } from './store.ts';
import { Thumbnail } from './thumbnails.tsx';
import { Tour } from './tour.tsx';
import { Undoable } from './undoable.tsx';
import { COLLECTED, uploadPictures } from './upload.ts';
import { showAll, shown } from './view.ts';
import { VirtualList, type VirtualRow } from './virtual-list.tsx';

const THUMBNAIL = 84;
const GAP = 8;
const HEADER = 56;
/** Width in pixels below which the hint on unsorted pictures is put on lines of its own. */
const NARROW = 520;
const HEADER_WITH_HINT = 84;
const HINT = 64;
const END = 12;

export function Collect() {
  const m = messages.value.collect;
  const { classes, pictures } = board.value;
  const isEmpty = pictures.size === 0 && classes.length === 0;
  return (
    <section
      id="collect"
      aria-labelledby="collect-heading"
      onKeyDown={({ key, target }) => {
        const isTyping = target instanceof HTMLInputElement && target.type === 'text';
        if (key === 'Escape' && !isTyping && selectedHashes().length > 0) clearSelection();
      }}
    >
      <div class="heading">
        <h2 id="collect-heading">{m.heading}</h2>
        <p>{isEmpty ? m.lead : m.total(pictures.size, classes.length)}</p>
      </div>
      <Tour at="collect" />
      <div class="toolbar">
        <div class="actions">
          <FileLabel class="button" accept={COLLECTED} onFiles={uploadPictures}>
            <Icon name="pictures" />
            {m.addPictures}
          </FileLabel>
          <FileLabel class="button" folder onFiles={uploadPictures}>
            <Icon name="folder" />
            {m.addFolder}
          </FileLabel>
          <button type="button" onClick={addClass}>
            <Icon name="plus" />
            {m.newClass}
          </button>
        </div>
        <SelectionBar />
      </div>
      {!isEmpty && <FindBar />}
      {isEmpty ? <Start /> : <PictureList />}
      {mayBeRemoved.value && pictures.size > 0 && <p class="muted small footnote">{m.mayBeRemoved}</p>}
      <ProgressBar />
      <Undoable at="collect" />
    </section>
  );
}

function PictureList() {
  const lists = shown.value;
  const over = dropClass();
  const rowsFor = useCallback(
    (width: number): VirtualRow[] => [...lists.keys()].flatMap((id) => classRows(id, width, over === id)),
    [lists, over],
  );
  // The focused element may be removed with the last entry of the list.
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

/** The rows of a class: its header, then its pictures, as many in a row as fit. */
function classRows(id: string, width: number, isOver: boolean): VirtualRow[] {
  const { hashes, passing, isCollapsed } = shown.value.get(id)!;
  const count = picturesByClass.value.get(id)?.length ?? 0;
  const columns = Math.max(1, Math.floor((width - GAP) / (THUMBNAIL + GAP)));
  const rows: VirtualRow[] = [
    {
      key: `class ${id}`,
      height: id === '' && width < NARROW ? HEADER_WITH_HINT : HEADER,
      places: [headerPlace(id), namePlace(id)],
      isStop: () => true,
      render: () => (
        <ClassHeader id={id} count={count} passing={passing} isCollapsed={isCollapsed} isOver={isOver} />
      ),
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
  if (count === 0) {
    rows.push({
      key: `${id} hint`,
      height: HINT,
      render: () => <EmptyClass id={id} isOver={isOver} />,
    });
  }
  return [...rows, { key: `${id} end`, height: END, render: () => null }];
}

/** Tab passes over its buttons: the header has the same. */
function EmptyClass({ id, isOver }: { id: string; isOver: boolean }) {
  const m = messages.value.collect;
  const name = classNames.value.get(id) ?? '';
  return (
    <div class={`class-hint${isOver ? ' over' : ''}`} data-class={id}>
      {!isTouch && <span class="clip">{m.empty}</span>}
      <button
        type="button"
        tabIndex={-1}
        onClick={() => {
          cameraFor.value = id;
        }}
      >
        <Icon name="camera" />
        {m.takePictures}
      </button>
      <FileLabel
        class="button"
        tabIndex={-1}
        title={m.addTo(name)}
        accept={COLLECTED}
        onFiles={(files) => uploadPictures(files, { classId: id })}
      >
        <Icon name="plus" />
        {m.upload}
      </FileLabel>
    </div>
  );
}

function addClass(): void {
  const taken = new Set(board.value.classes.map(({ name }) => name));
  let count = board.value.classes.length + 1;
  while (taken.has(messages.value.collect.newClassName(count))) count++;
  const id = crypto.randomUUID();
  showAll();
  perform({ do: 'add-class', id, name: messages.value.collect.newClassName(count) });
  seek(namePlace(id), true);
}
