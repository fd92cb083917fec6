import type { RefObject } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';

/** Where a screen reader goes on when nothing is left of what the person was at. */
export function focusHeading(section: Element | null): void {
  const heading = section?.querySelector<HTMLElement>('h2');
  if (!heading) return;
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
}

/** Gives the focus to the first button in an element. */
export const focusIn = (element: Element | null | undefined): void =>
  element?.querySelector<HTMLElement>('button:enabled:not(.seeable)')?.focus();

/** An item of a list that hands the focus on when it goes: to the next item, the one before, or the heading of its part. */
export function useHandOn<E extends HTMLElement>(): RefObject<E | null> {
  const item = useRef<E>(null);
  useLayoutEffect(() => {
    const element = item.current as E;
    return () => {
      if (!element.contains(document.activeElement)) return;
      const section = element.closest('section');
      focusIn(element.nextElementSibling ?? element.previousElementSibling);
      // The neighbour may be about to go as well.
      requestAnimationFrame(() => {
        if (document.activeElement === document.body) focusHeading(section);
      });
    };
  }, []);
  return item;
}
