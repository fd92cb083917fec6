import { effect, signal } from '@preact/signals';
import { Icon } from './icons.tsx';
import { messages } from './messages.ts';
import { PARTS, type Part, part } from './parts.ts';
import { status } from './store.ts';

const STORED = 'tip-adapter.tour';

/** The present step of the tour; undefined if it is over. A tour that was closed does not start again. */
const step = signal<number | undefined>(undefined);

let wasOffered = localStorage.getItem(STORED) !== null;
effect(() => {
  // The tour begins with the first answer, because there is nothing to show before.
  if (wasOffered || !status.value?.answering) return;
  wasOffered = true;
  step.value = 0;
});

function end(): void {
  localStorage.setItem(STORED, 'over');
  step.value = undefined;
}

function goTo(next: number): void {
  const at = PARTS[next];
  if (!at) {
    end();
    return;
  }
  step.value = next;
  part.value = at;
  requestAnimationFrame(() => document.querySelector('.tour')?.scrollIntoView({ block: 'nearest' }));
}

/** The card of the tour, in the section that it describes. */
export function Tour({ at }: { at: Part }) {
  const m = messages.value.tour;
  const now = step.value;
  if (now === undefined || PARTS[now] !== at) return null;
  return (
    <aside class="tour" aria-label={m.title}>
      <p>
        <strong>{m.step(now + 1, PARTS.length)}</strong> {m[at]}
      </p>
      <button type="button" class="primary" onClick={() => goTo(now + 1)}>
        {now + 1 === PARTS.length ? m.done : m.next}
      </button>
      <button type="button" class="quiet square" aria-label={m.close} title={m.close} onClick={end}>
        <Icon name="close" />
      </button>
    </aside>
  );
}
