import type { ComponentChildren } from 'preact';
import { useId, useLayoutEffect, useRef, useState } from 'preact/hooks';

export interface MenuItem {
  readonly key: string;
  readonly text: string;
  /** A line below it. */
  readonly note?: string;
  readonly act?: () => void;
  /** A choice that opens in place of the menu. */
  readonly items?: readonly MenuItem[];
  /** Takes a name, which is asked for in place of the menu; `text` says of what. */
  readonly name?: (typed: string) => void;
}

/**
 * A button that opens a list of acts: arrow keys and letters only look for one, Enter or a click does it (the menu button of
 * the ARIA Authoring Practices). It is a popover, so that no list's edge cuts it off.
 */
export function Menu({
  label,
  title,
  keys,
  class: className = '',
  items,
  onOpen,
  children,
}: {
  /** For screen readers, where the button's own text does not say it. */
  label?: string;
  title?: string;
  /** The key that opens it from elsewhere. */
  keys?: string;
  class?: string;
  items: () => readonly MenuItem[];
  onOpen?(): void;
  children: ComponentChildren;
}) {
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const typed = useRef({ text: '', at: 0 });
  const [isOpen, setOpen] = useState(false);
  const [inner, setInner] = useState<MenuItem>();

  useLayoutEffect(() => {
    if (!isOpen) return;
    const follow = () => place(list.current as HTMLElement, button.current as HTMLElement);
    follow();
    list.current?.querySelector<HTMLElement>('input, [role=menuitem]')?.focus({ preventScroll: true });
    const stop = new AbortController();
    window.addEventListener('resize', follow, { signal: stop.signal });
    // Whatever the button lies in may scroll; the menu's own scrolling moves nothing.
    window.addEventListener('scroll', ({ target }) => target !== list.current && follow(), {
      capture: true,
      signal: stop.signal,
    });
    return () => stop.abort();
  }, [isOpen, inner]);

  const close = () => {
    list.current?.hidePopover();
    button.current?.focus({ preventScroll: true });
  };
  const choose = (item: MenuItem) => {
    if (item.items || item.name) {
      setInner(item);
      return;
    }
    close();
    item.act?.();
  };
  const give = (event: KeyboardEvent & { currentTarget: HTMLInputElement }) => {
    const typed = event.currentTarget.value.trim();
    if (event.key !== 'Enter' || typed === '') return;
    // Else it would press the button that the focus goes back to.
    event.preventDefault();
    close();
    inner?.name?.(typed);
  };
  const look = (event: KeyboardEvent & { currentTarget: HTMLElement }) => {
    // What is pressed here is not meant for what lies around the menu.
    event.stopPropagation();
    const { key } = event;
    if (key === 'Tab' || key === 'Escape') {
      close();
      if (key === 'Escape') event.preventDefault();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || inner?.name) return;
    const all = entries(event.currentTarget);
    const here = all.indexOf(document.activeElement as HTMLElement);
    if (key === 'ArrowLeft' && inner) setInner(undefined);
    else if (key === 'ArrowRight' && all[here]?.hasAttribute('aria-haspopup')) all[here].click();
    else {
      const next =
        key.length === 1 && key !== ' ' ? startingWith(all, here, type(key)) : step(all, here, key);
      if (!next) return;
      next.focus();
    }
    event.preventDefault();
  };
  const type = (letter: string) => {
    const { text, at } = typed.current;
    const now = performance.now();
    typed.current = { text: (now - at < TYPING ? text : '') + letter.toLowerCase(), at: now };
    return typed.current.text;
  };
  return (
    <>
      <button
        type="button"
        ref={button}
        class={className}
        aria-label={label}
        aria-haspopup="menu"
        aria-expanded={isOpen}
        aria-keyshortcuts={keys}
        title={title}
        // Says that a press here is none beside the menu. Were it opened by this alone, it would be filled before it is shown.
        popovertarget={id}
        onClick={(event) => {
          event.preventDefault();
          list.current?.togglePopover();
        }}
        onKeyDown={(event) => {
          if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
          event.preventDefault();
          event.currentTarget.click();
        }}
      >
        {children}
      </button>
      <div
        id={id}
        ref={list}
        class="menu"
        popover="auto"
        role="menu"
        tabIndex={-1}
        aria-label={inner?.text ?? label ?? title}
        onBeforeToggle={({ newState }) => {
          setOpen(newState === 'open');
          if (newState === 'open') onOpen?.();
          setInner(undefined);
          typed.current.text = '';
        }}
        onKeyDown={look}
      >
        {isOpen && inner?.name && (
          <input
            type="text"
            class="class-name"
            aria-label={inner.text}
            placeholder={inner.text}
            maxLength={200}
            onKeyDown={give}
          />
        )}
        {isOpen &&
          !inner?.name &&
          (inner?.items ?? items()).map((item) => (
            <button
              key={item.key}
              type="button"
              role="menuitem"
              class="quiet"
              tabIndex={-1}
              title={item.text}
              aria-haspopup={item.items ? 'menu' : item.name ? 'dialog' : undefined}
              onClick={() => choose(item)}
            >
              <span class="clip">
                {item.text}
                {item.note && <small class="muted clip">{item.note}</small>}
              </span>
            </button>
          ))}
      </div>
    </>
  );
}

/** Milliseconds after which another letter begins another word. */
const TYPING = 700;

const entries = (list: HTMLElement) => [...list.querySelectorAll<HTMLElement>('[role=menuitem]')];

function step(all: readonly HTMLElement[], here: number, key: string): HTMLElement | undefined {
  if (key === 'ArrowDown') return all[(here + 1) % all.length];
  if (key === 'ArrowUp') return all.at(Math.max(here, 0) - 1);
  if (key === 'Home') return all[0];
  return key === 'End' ? all.at(-1) : undefined;
}

/** The next entry that begins with what was typed; the same letter again goes on to the next one of it. */
function startingWith(all: readonly HTMLElement[], here: number, typed: string): HTMLElement | undefined {
  const isRepeated = new Set(typed).size === 1;
  const from = here + Number(isRepeated);
  const start = isRepeated ? typed.charAt(0) : typed;
  return [...all.slice(from), ...all.slice(0, from)].find((entry) =>
    entry.textContent?.toLowerCase().startsWith(start),
  );
}

const MARGIN = 8;
const HIGHEST = 336;

/** Puts a menu below its button, or above where there is more room, within the part of the page that the button is in. */
function place(menu: HTMLElement, button: HTMLElement): void {
  const at = button.getBoundingClientRect();
  const part = button.closest('section')?.getBoundingClientRect();
  const [below, above] = [innerHeight - at.bottom - MARGIN, at.top - MARGIN];
  const isAbove = below < Math.min(menu.scrollHeight, HIGHEST) && above > below;
  const end = Math.min(innerWidth, part?.right ?? innerWidth) - MARGIN;
  // Its width is what it would be with all the room there is.
  menu.style.left = '0';
  menu.style.maxHeight = `${Math.max(0, Math.min(HIGHEST, isAbove ? above : below) - MARGIN)}px`;
  menu.style.left = `${Math.max(MARGIN, Math.min(at.left, end - menu.offsetWidth))}px`;
  menu.style.top = isAbove ? 'auto' : `${at.bottom + MARGIN / 2}px`;
  menu.style.bottom = isAbove ? `${innerHeight - at.top + MARGIN / 2}px` : 'auto';
}
