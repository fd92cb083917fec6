import type { RefObject } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';

/** Focuses the heading of a section. It gets the focus if nothing is left of the element that had it. */
export function focusHeading(section: Element | null): void {
  const heading = section?.querySelector<HTMLElement>('h2');
  if (!heading) return;
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
}

/** Focuses the first button in an element. */
export const focusIn = (element: Element | null | undefined): void =>
  element?.querySelector<HTMLElement>('button:enabled:not(.seeable)')?.focus();

/** An item of a list. When it is removed, the focus moves to the next item, the one before, or the heading of its section. */
export function useHandOn<E extends HTMLElement>(): RefObject<E | null> {
  const item = useRef<E>(null);
  useLayoutEffect(() => {
    const element = item.current as E;
    return () => {
      if (!element.contains(document.activeElement)) return;
      const section = element.closest('section');
      focusIn(element.nextElementSibling ?? element.previousElementSibling);
      // The neighbour may be removed too.
      requestAnimationFrame(() => {
        if (document.activeElement === document.body) focusHeading(section);
      });
    };
  }, []);
  return item;
}
