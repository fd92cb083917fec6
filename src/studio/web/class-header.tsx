import { sameName } from '../board.ts';
import { cameraFor } from './camera.tsx';
import { classItems } from './class-choice.tsx';
import { FileLabel } from './file-label.tsx';
import { Icon } from './icons.tsx';
import { Menu, type MenuItem } from './menu.tsx';
import { messages } from './messages.ts';
import { isTouch } from './parts.ts';
import { headerPlace, namePlace, seek } from './roving-focus.ts';
import { board, classNames, notify, perform } from './store.ts';
import { tellDone } from './undoable.tsx';
import { COLLECTED, uploadPictures } from './upload.ts';
import { fold } from './view.ts';

interface Header {
  readonly id: string;
  /** Pictures of the class, and those of them that pass the filter. */
  readonly count: number;
  readonly passing: number;
  readonly isCollapsed: boolean;
  readonly isOver: boolean;
}

/** Name and tools of a class, or of the unsorted pictures (an empty id). Tab stops at the name, and arrow keys move to the tools. */
export function ClassHeader({ id, count, passing, isCollapsed, isOver }: Header) {
  const m = messages.value.collect;
  const name = classNames.value.get(id);
  if (name === undefined) {
    return (
      <div
        class={`class-header unsorted${isOver ? ' over' : ''}`}
        data-class=""
        data-place={headerPlace('')}
        tabIndex={-1}
      >
        <Fold id={id} name={m.unsorted} isCollapsed={isCollapsed} />
        <h3>{m.unsorted}</h3>
        <span class="muted hint">{isTouch ? m.unsortedTapHint : m.unsortedHint}</span>
        <span class="count">{m.countShort(count)}</span>
      </div>
    );
  }
  return (
    <fieldset
      class={`class-header${isOver ? ' over' : ''}`}
      data-class={id}
      data-place={headerPlace(id)}
      tabIndex={-1}
      aria-labelledby={`heading-${id}`}
      onKeyDown={walk}
    >
      <h3 class="hidden" id={`heading-${id}`}>
        {name}
      </h3>
      <Fold id={id} name={name} isCollapsed={isCollapsed} isDisabled={count === 0} />
      <ClassName id={id} name={name} />
      <span class="count" title={m.count(count)}>
        {passing === count ? m.countShort(count) : `${m.countShort(passing)} / ${m.countShort(count)}`}
      </span>
      <button
        type="button"
        class="quiet square"
        tabIndex={-1}
        aria-label={m.camera(name)}
        title={m.camera(name)}
        onClick={() => {
          cameraFor.value = id;
        }}
      >
        <Icon name="camera" />
      </button>
      <FileLabel
        class="button quiet square"
        tabIndex={-1}
        title={m.addTo(name)}
        accept={COLLECTED}
        onFiles={(files) => uploadPictures(files, { classId: id })}
      >
        <Icon name="plus" />
      </FileLabel>
      <ClassMenu id={id} name={name} count={count} />
    </fieldset>
  );
}

/** Hides the pictures of a class, or shows them again. */
function Fold({
  id,
  name,
  isCollapsed,
  isDisabled,
}: Pick<Header, 'id' | 'isCollapsed'> & { name: string; isDisabled?: boolean }) {
  const label = messages.value.find.pictures(name);
  return (
    <button
      type="button"
      class="quiet fold"
      tabIndex={id === '' ? 0 : -1}
      disabled={isDisabled}
      aria-expanded={!isCollapsed}
      aria-label={label}
      title={label}
      onClick={() => fold(id, !isCollapsed)}
    >
      <Icon name="open" />
    </button>
  );
}

const STEPS: Readonly<Record<string, number>> = { ArrowLeft: -1, ArrowRight: 1 };

/** Arrow keys go from one tool of a class to the next; within its name they first go to the end of the text. */
function walk(event: KeyboardEvent & { currentTarget: HTMLElement }): void {
  const { key, target, currentTarget } = event;
  const step = STEPS[key];
  if (step === undefined || event.shiftKey || event.ctrlKey || event.altKey || event.metaKey) return;
  if (target instanceof HTMLInputElement && target.type === 'text') {
    const edge = step > 0 ? target.value.length : 0;
    if (target.selectionStart !== edge || target.selectionEnd !== edge) return;
  }
  const all = [
    ...currentTarget.querySelectorAll<HTMLElement>(
      ':scope > :is(button:enabled, input), :scope > label > input',
    ),
  ];
  const next = all[all.indexOf(target as HTMLElement) + step];
  if (!next) return;
  event.preventDefault();
  next.focus();
  if (next.matches('.class-name')) (next as HTMLInputElement).select();
}

function ClassName({ id, name }: { id: string; name: string }) {
  const rename = (typed: string, isWithin: boolean) => {
    const twin = board.value.classes.find((other) => other.id !== id && sameName(other.name, typed));
    if (twin) notify({ kind: 'merged', names: [twin.name] });
    // The focused element is removed with the class.
    if (twin && isWithin) seek(headerPlace(twin.id), true);
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
      data-place={namePlace(id)}
      onKeyDown={(event) => {
        if (event.key === 'Escape') event.currentTarget.value = name;
        if (event.key === 'Enter' || event.key === 'Escape') seek(headerPlace(id));
      }}
      onBlur={({ currentTarget, relatedTarget }) => {
        const typed = currentTarget.value.trim();
        if (typed === '' || typed === name) currentTarget.value = name;
        else
          rename(typed, currentTarget.closest('fieldset')?.contains(relatedTarget as Node | null) ?? false);
      }}
    />
  );
}

function ClassMenu({ id, name, count }: { id: string; name: string; count: number }) {
  const m = messages.value.collect;
  const merge = (into: string) => {
    seek(headerPlace(into));
    perform({ do: 'merge-classes', from: id, into });
    tellDone(m.merged(name, classNames.value.get(into) ?? ''));
  };
  const discard = () => {
    const { classes } = board.value;
    const here = classes.findIndex((one) => one.id === id);
    seek(headerPlace((classes[here + 1] ?? classes[here - 1])?.id ?? ''));
    perform({ do: 'discard-class', id });
    tellDone(m.discardedClass(name, count));
  };
  const items = (): MenuItem[] => {
    const others = classItems([id], merge);
    return [
      ...(others.length > 0 ? [{ key: 'merge', text: m.mergeInto, items: others }] : []),
      { key: 'discard', text: m.discardClass(count), act: discard },
    ];
  };
  return (
    <Menu label={m.more(name)} title={m.more(name)} class="quiet square" tabIndex={-1} items={items}>
      <Icon name="more" />
    </Menu>
  );
}
