import { signal } from '@preact/signals';
import { messages } from './messages.ts';
import { changesMade, undo } from './store.ts';

/** What was just done, in which part of the page, and as which change. */
const done = signal<{ readonly text: string; readonly part: string; readonly change: number } | undefined>(
  undefined,
);

const SHOWN_MS = 12_000;

/** Tells what was just done, with the way back, where it was done. */
export function tellDone(text: string): void {
  const part = document.activeElement?.closest('section')?.id ?? 'collect';
  const told = { text, part, change: changesMade.value };
  done.value = told;
  setTimeout(() => {
    if (done.value === told) done.value = undefined;
  }, SHOWN_MS);
}

/** It lies over the end of its part, and is gone with the next change. */
export function Undoable({ at }: { at: string }) {
  const told = done.value;
  if (!told || told.part !== at || told.change !== changesMade.value) return null;
  return (
    <div class="undoable" role="status">
      <span>{told.text}</span>
      <button
        type="button"
        onClick={() => {
          done.value = undefined;
          undo();
        }}
      >
        {messages.value.undo}
      </button>
    </div>
  );
}
