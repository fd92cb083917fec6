import type { ComponentChildren, RefObject } from 'preact';
import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';

export interface VirtualRow {
  readonly key: string;
  /** Pixels. */
  readonly height: number;
  readonly render: () => ComponentChildren;
  /** What in it can be given the focus: values of `data-place`. */
  readonly places?: readonly string[];
  /** Whether Tab stops in it. */
  readonly isStop?: () => boolean;
}

/** A place that is to have the focus. */
export interface Sought {
  readonly place: string;
  readonly scroll: boolean;
}

/** Rows beyond the visible ones that are there already, in pixels each way. */
const OVERSCAN = 240;

/**
 * A list that keeps only the rows in sight in the document, however many there are. Heights are known beforehand, so that a scroll
 * costs a search and nothing is measured. The focus is kept: its row stays in the document, and what changes around it takes it
 * along, or leaves it to what lies there now.
 */
export function VirtualList({
  rowsFor,
  label,
  sought,
  onFound,
}: {
  /** The rows for a list of this many pixels' width. */
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
        // Only a scroll past a row's edge changes what is shown.
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

/** What in the list has the focus, or had it until it was taken out of the document. */
function useHeldFocus(scroller: RefObject<HTMLElement | null>, rows: readonly VirtualRow[]) {
  const held = useRef<Held | undefined>(undefined);
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
    };
    document.addEventListener('focusin', follow, { signal: stop.signal });
    document.addEventListener('pointerdown', follow, { signal: stop.signal });
    return () => stop.abort();
  }, []);
  return held;
}

const rowOf = (rows: readonly VirtualRow[], place: string) =>
  rows.findIndex(({ places }) => places?.includes(place));

/** The place itself, or where it is gone, the first of the nearest row before it. */
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

/** Rows in sight, that of a place, and the nearest on either side where Tab stops: else it would leave the list there. */
function shownRows(
  rows: readonly VirtualRow[],
  first: number,
  last: number,
  place: string | undefined,
): number[] {
  const shown = new Set<number>();
  for (let i = first; i <= last; i++) shown.add(i);
  shown.add(rows.findLastIndex(({ isStop }, i) => i < first && isStop?.()));
  shown.add(rows.findIndex(({ isStop }, i) => i > last && isStop?.()));
  if (place !== undefined) shown.add(rowOf(rows, place));
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

/** The row that lies at this height: the last that begins at or above it. */
function rowAt(offsets: Float64Array, y: number): number {
  let [low, high] = [0, Math.max(0, offsets.length - 2)];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (offsets[middle]! <= y) low = middle;
    else high = middle - 1;
  }
  return low;
}
