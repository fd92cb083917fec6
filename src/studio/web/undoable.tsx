import { signal } from '@preact/signals';
import { messages } from './messages.ts';
import { changesMade, undo } from './store.ts';

/** The last action: its description, its section of the page, and the number of its change. */
const done = signal<{ readonly text: string; readonly part: string; readonly change: number } | undefined>(
  undefined,
);

/** The section of the page that has the focus. */
export const focusedPart = (): string => document.activeElement?.closest('section')?.id ?? 'collect';

const SHOWN_MS = 12_000;

/** Shows the last action, with an undo button, in the section where it was done. */
export function tellDone(text: string, part = focusedPart()): void {
  const told = { text, part, change: changesMade.value };
  done.value = told;
  setTimeout(() => {
    if (done.value === told) done.value = undefined;
  }, SHOWN_MS);
}

/** The message overlays the end of its section, or of a dialog over all sections (no `at`). It disappears with the next change. */
export function Undoable({ at }: { at?: string }) {
  const told = done.value;
  if (!told || (at && told.part !== at) || told.change !== changesMade.value) return null;
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
