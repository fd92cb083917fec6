import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';

export interface VirtualRow {
  readonly key: string;
  /** Pixels. */
  readonly height: number;
  readonly render: () => ComponentChildren;
}

/** Rows beyond the visible ones that are there already, in pixels each way. */
const OVERSCAN = 240;

/**
 * A list that keeps only the rows in sight in the document, however many there are. Heights are known beforehand, so that a scroll
 * costs a search and nothing is measured.
 */
export function VirtualList({
  rowsFor,
  label,
}: {
  /** The rows for a list of this many pixels' width. */
  rowsFor: (width: number) => readonly VirtualRow[];
  label: string;
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
        {rows.slice(first, last + 1).map(({ key, height, render }, i) => (
          <div key={key} class="row" style={{ top: `${offsets[first + i]}px`, height: `${height}px` }}>
            {render()}
          </div>
        ))}
      </div>
    </div>
  );
}

function offsetsOf(rows: readonly VirtualRow[]): Float64Array {
  const offsets = new Float64Array(rows.length + 1);
  rows.forEach(({ height }, i) => {
    offsets[i + 1] = offsets[i] + height;
  });
  return offsets;
}

/** The row that lies at this height: the last that begins at or above it. */
function rowAt(offsets: Float64Array, y: number): number {
  let [low, high] = [0, Math.max(0, offsets.length - 2)];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (offsets[middle] <= y) low = middle;
    else high = middle - 1;
  }
  return low;
}
