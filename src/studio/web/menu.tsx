import type { ComponentChildren } from 'preact';
import { useId, useLayoutEffect, useRef, useState } from 'preact/hooks';

export interface MenuItem {
  readonly key: string;
  readonly text: string;
  /** Whether a line follows the entry. */
  readonly note?: string;
  readonly act?: () => void;
  /** A submenu that opens in place of the menu. */
  readonly items?: readonly MenuItem[];
  /** Receives a name, which a text field in place of the menu asks for. `text` is the field's label. */
  readonly name?: (typed: string) => void;
}

/**
 * A button that opens a menu. Arrow keys and letters move to an entry, Enter or a click activates it (the menu button of the ARIA
 * Authoring Practices). The menu is a popover, so that the edge of a list does not cut it off.
 */
export function Menu({
  label,
  title,
  keys,
  class: className = '',
  tabIndex,
  items,
  onOpen,
  children,
}: {
  /** Accessible label, if the button's text does not say what it is for. */
  label?: string;
  title?: string;
  /** The key that opens it from anywhere on the page. */
  keys?: string;
  class?: string;
  tabIndex?: number;
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
    // Scrolling anything around the button closes the menu; scrolling the menu itself does not.
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
    // Otherwise the key would also press the button, which gets the focus back.
    event.preventDefault();
    close();
    inner?.name?.(typed);
  };
  const look = (event: KeyboardEvent & { currentTarget: HTMLElement }) => {
    // Keys in the menu are not for the elements around it.
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
        tabIndex={tabIndex}
        aria-label={label}
        aria-haspopup="menu"
        aria-expanded={isOpen}
        aria-keyshortcuts={keys}
        title={title}
        // With this attribute, a press on the button is not a press outside the menu. The handler opens the menu, so that it is filled first.
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

/** Milliseconds after which a letter begins a new search. */
const TYPING = 700;

const entries = (list: HTMLElement) => [...list.querySelectorAll<HTMLElement>('[role=menuitem]')];

function step(all: readonly HTMLElement[], here: number, key: string): HTMLElement | undefined {
  if (key === 'ArrowDown') return all[(here + 1) % all.length];
  if (key === 'ArrowUp') return all.at(Math.max(here, 0) - 1);
  if (key === 'Home') return all[0];
  return key === 'End' ? all.at(-1) : undefined;
}

/** The next entry that begins with the typed text. The same letter again moves to the next entry with that letter. */
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

/** Places a menu below its button, or above it if there is more space, within the button's part of the page. */
function place(menu: HTMLElement, button: HTMLElement): void {
  const at = button.getBoundingClientRect();
  const part = button.closest('section')?.getBoundingClientRect();
  const [below, above] = [innerHeight - at.bottom - MARGIN, at.top - MARGIN];
  const isAbove = below < Math.min(menu.scrollHeight, HIGHEST) && above > below;
  const end = Math.min(innerWidth, part?.right ?? innerWidth) - MARGIN;
  // At the left edge, the menu's width is not limited by its present position.
  menu.style.left = '0';
  menu.style.maxHeight = `${Math.max(0, Math.min(HIGHEST, isAbove ? above : below) - MARGIN)}px`;
  menu.style.left = `${Math.max(MARGIN, Math.min(at.left, end - menu.offsetWidth))}px`;
  menu.style.top = isAbove ? 'auto' : `${at.bottom + MARGIN / 2}px`;
  menu.style.bottom = isAbove ? `${innerHeight - at.top + MARGIN / 2}px` : 'auto';
}
