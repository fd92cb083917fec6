import type { ComponentChildren, RefObject } from 'preact';
import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';

export interface VirtualRow {
  readonly key: string;
  /** Height in pixels. */
  readonly height: number;
  readonly render: () => ComponentChildren;
  /** Values of `data-place` of the elements in it that can have the focus. */
  readonly places?: readonly string[];
  /** Whether Tab stops in this row. */
  readonly isStop?: () => boolean;
}

/** A place to focus. */
export interface Sought {
  readonly place: string;
  readonly scroll: boolean;
}

/** Height in pixels, above and below the visible part, for which rows are rendered in advance. */
const OVERSCAN = 240;

/**
 * A list that has only its visible rows in the document. Heights of rows are known in advance, so that scrolling needs a search and
 * no measurement. The row with the focus stays in the document. If the focused element moves, the focus moves with it; if it is
 * removed, the element in its place gets the focus.
 */
export function VirtualList({
  rowsFor,
  label,
  sought,
  onFound,
}: {
  /** Returns the rows of a list with this width in pixels. */
  rowsFor: (width: number) => readonly VirtualRow[];
  label: string;
  sought: Sought | undefined;
  onFound(): void;
}) {
  const scroller = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState({ width: 0, height: 0 });
  const [top, setTop] = useState(0);
  useLayoutEffect(() => {
    const element = scroller.current as HTMLDivElement;
    const observer = new ResizeObserver(() =>
      setSize({ width: element.clientWidth, height: element.clientHeight }),
    );
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const rows = size.width > 0 ? rowsFor(size.width) : [];
  const offsets = useMemo(() => offsetsOf(rows), [rows]);
  const first = rowAt(offsets, top - OVERSCAN);
  const last = Math.min(rows.length - 1, rowAt(offsets, top + size.height + OVERSCAN));
  const held = useHeldFocus(scroller, rows);
  const place = placeIn(rows, sought ?? held.current);
  useLayoutEffect(() => {
    if (rows.length === 0 || place === undefined) return;
    const isLost = held.current?.element.isConnected === false && document.activeElement === document.body;
    if (sought) onFound();
    if (sought || isLost) focusPlace(scroller.current as HTMLElement, place, sought?.scroll ?? false);
  });
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset cannot be a scroller of fixed size.
    <div
      class="scroller"
      ref={scroller}
      role="group"
      aria-label={label}
      onScroll={({ currentTarget }) => {
        // The visible rows change only when the scroll position passes the edge of a row.
        const next = currentTarget.scrollTop;
        if (
          rowAt(offsets, next - OVERSCAN) !== first ||
          rowAt(offsets, next + size.height + OVERSCAN) !== last
        )
          setTop(next);
      }}
    >
      <div class="virtual" style={{ height: `${offsets[rows.length] ?? 0}px` }}>
        {shownRows(rows, first, last, place).map((i) => {
          const { key, height, render } = rows[i]!;
          return (
            <div key={key} class="row" style={{ top: `${offsets[i]}px`, height: `${height}px` }}>
              {render()}
            </div>
          );
        })}
      </div>
    </div>
  );
}

interface Held {
  readonly element: Element;
  readonly place: string;
  readonly row: number;
}

/** The place in the list that has the focus, or had it until its element was removed from the document. */
function useHeldFocus(scroller: RefObject<HTMLElement | null>, rows: readonly VirtualRow[]) {
  const held = useRef<Held | undefined>(undefined);
  const [, setPlace] = useState<string | undefined>(undefined);
  const current = useRef(rows);
  current.current = rows;
  useLayoutEffect(() => {
    const stop = new AbortController();
    const follow = ({ target }: Event) => {
      const element = target as HTMLElement;
      const place = element.closest<HTMLElement>('[data-place]')?.dataset.place;
      held.current =
        place !== undefined && scroller.current?.contains(element)
          ? { element, place, row: rowOf(current.current, place) }
          : undefined;
      // The rows that are kept depend on it.
      setPlace(held.current?.place);
    };
    document.addEventListener('focusin', follow, { signal: stop.signal });
    document.addEventListener('pointerdown', follow, { signal: stop.signal });
    return () => stop.abort();
  }, []);
  return held;
}

const rowOf = (rows: readonly VirtualRow[], place: string) =>
  rows.findIndex(({ places }) => places?.includes(place));

/** The place itself or, if it is gone, the first place of the nearest row before it. */
function placeIn(rows: readonly VirtualRow[], wanted: Partial<Held> | undefined): string | undefined {
  if (wanted?.place === undefined || rowOf(rows, wanted.place) >= 0) return wanted?.place;
  const before = rows.slice(0, (wanted.row ?? 0) + 1).findLast(({ places }) => places);
  return before?.places?.[0];
}

function focusPlace(scroller: HTMLElement, place: string, scroll: boolean): void {
  const element = scroller.querySelector<HTMLElement>(`[data-place="${CSS.escape(place)}"]`);
  element?.focus({ preventScroll: true });
  if (element instanceof HTMLInputElement) element.select();
  if (scroll) element?.closest('.row')?.scrollIntoView({ block: 'nearest' });
}

/** The visible rows, the row of a place, and the nearest rows on either side where Tab stops. Without these, Tab would leave the list. */
function shownRows(
  rows: readonly VirtualRow[],
  first: number,
  last: number,
  place: string | undefined,
): number[] {
  const shown = new Set<number>();
  for (let i = first; i <= last; i++) shown.add(i);
  const focused = place === undefined ? -1 : rowOf(rows, place);
  shown.add(focused);
  const addStops = (from: number, to: number) => {
    shown.add(rows.findLastIndex(({ isStop }, i) => i < from && isStop?.()));
    shown.add(rows.findIndex(({ isStop }, i) => i > to && isStop?.()));
  };
  addStops(first, last);
  // Tab may be faster than the scrolling that follows it.
  if (focused >= 0) addStops(focused, focused);
  shown.delete(-1);
  return [...shown].sort((a, b) => a - b);
}

function offsetsOf(rows: readonly VirtualRow[]): Float64Array {
  const offsets = new Float64Array(rows.length + 1);
  rows.forEach(({ height }, i) => {
    offsets[i + 1] = offsets[i]! + height;
  });
  return offsets;
}

/** The row at this vertical position: the last one that begins at or above it. */
function rowAt(offsets: Float64Array, y: number): number {
  let [low, high] = [0, Math.max(0, offsets.length - 2)];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (offsets[middle]! <= y) low = middle;
    else high = middle - 1;
  }
  return low;
}
