import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { messages } from './messages.ts';

/** Number of items that a press adds to a list. */
const STEP = 30;

/** A list that shows its first items, and more at each press, so that all items can be reached. */
export function Listed<Item>({
  items,
  first,
  class: className,
  children,
}: {
  items: readonly Item[];
  first: number;
  class: string;
  children: (item: Item) => ComponentChildren;
}) {
  const [limit, setLimit] = useState(first);
  const m = messages.value;
  const rest = items.length - limit;
  return (
    <>
      <ul class={className}>{items.slice(0, limit).map(children)}</ul>
      {rest > 0 && (
        <button type="button" class="quiet" onClick={() => setLimit(limit + STEP)}>
          {m.more(Math.min(rest, STEP), rest)}
        </button>
      )}
      {limit > first && (
        <button type="button" class="quiet" onClick={() => setLimit(first)}>
          {m.fewer}
        </button>
      )}
    </>
  );
}

/** One of several texts, in the space of the longest, so that nothing moves when the text changes. */
export function Either({ texts, shown }: { texts: readonly string[]; shown: number }) {
  return (
    <span class="either">
      {texts.map((text, i) => (
        <span key={text} aria-hidden={i === shown ? undefined : true}>
          {text}
        </span>
      ))}
    </span>
  );
}
