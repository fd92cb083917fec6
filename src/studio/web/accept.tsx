import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import { groupBy } from '../../dataset/groups.ts';
import type { Guess } from '../status.ts';
import { api } from './api.ts';
import { messages, percent } from './messages.ts';
import { board, check, classNames, perform, picturesByClass, status, tellError } from './store.ts';
import { tellDone } from './undoable.tsx';

/** Guesses for the unsorted pictures; undefined until they arrive. */
const guesses = signal<readonly Guess[] | undefined>(undefined);
const least = signal(0.9);

/** Accepts all guesses above a confidence at once. It shows beforehand how many are expected to be wrong. */
export function Accept() {
  const m = messages.value.next;
  const [isOpen, setOpen] = useState(false);
  const serial = status.value?.answering?.serial;
  const count = picturesByClass.value.get('')?.length ?? 0;
  useEffect(() => {
    if (isOpen)
      void api.guesses().then((found) => {
        guesses.value = found;
      }, tellError);
  }, [isOpen, serial, count]);
  const sure = (guesses.value ?? []).filter(
    ({ hash, classId, probability }) =>
      probability >= least.value &&
      classNames.value.has(classId) &&
      board.value.pictures.get(hash)?.classId === undefined,
  );
  return (
    <details id="accept" onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>{m.accept}</summary>
      <label class="slider">
        <span>
          {m.sureAtLeast} <output>{percent(least.value)}</output>
        </span>
        <input
          type="range"
          min="0.5"
          max="0.99"
          step="0.01"
          value={least.value}
          aria-valuetext={percent(least.value)}
          onInput={({ currentTarget }) => {
            least.value = Number(currentTarget.value);
          }}
        />
      </label>
      <p class="muted small" role="status">
        {guesses.value ? `${m.sure(sure.length, count)} ${errorsText(sure.length)}` : m.guessing}
      </p>
      <button type="button" disabled={sure.length === 0} onClick={() => accept(sure)}>
        {m.acceptAll(sure.length)}
      </button>
    </details>
  );
}

/** Expected number of errors among the guesses, from left-out pictures with the same confidence. */
function errorsText(n: number): string {
  const m = messages.value.next;
  const as = (check.value?.answers ?? []).filter(({ probability }) => probability >= least.value);
  if (as.length === 0) return m.errorsUnknown;
  const wrong = as.filter(({ label, predicted }) => label !== predicted).length;
  return m.errors(wrong, as.length, Math.round((n * wrong) / as.length));
}

function accept(sure: readonly Guess[]): void {
  const step = crypto.randomUUID();
  for (const [classId, own] of groupBy(sure, (guess) => guess.classId)) {
    perform({ do: 'place', hashes: own.map(({ hash }) => hash), classId }, step);
  }
  tellDone(messages.value.next.accepted(sure.length));
}
