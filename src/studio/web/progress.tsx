import { computed, effect, signal } from '@preact/signals';
import { messages } from './messages.ts';
import { status } from './store.ts';
import { bringing } from './upload.ts';

/** Number of pictures on the board that are not embedded yet. */
const unseen = computed(() => {
  const { stage, done = 0, total = 0 } = status.value?.teaching ?? {};
  return stage === 'looking' ? total - done : 0;
});

/** Number of remaining steps: each file is imported, then embedded. */
const left = computed(() => {
  const { done = 0, total = 0 } = bringing.value ?? {};
  return 2 * (total - done) + unseen.value;
});

/** The largest number of remaining steps since the last time there were none, and the time of that start (milliseconds). */
const whole = signal({ steps: 0, since: 0 });
effect(() => {
  const steps = left.value;
  const before = whole.peek();
  if (steps === 0) whole.value = { steps: 0, since: 0 };
  else if (before.steps === 0) whole.value = { steps, since: performance.now() };
  else if (steps > before.steps) whole.value = { ...before, steps };
});

/** The remaining time is estimated only after this many milliseconds and this share of the steps. */
const EARLY = 3000;
const FEW = 0.02;

/** One progress bar for files that are imported and pictures that are embedded. */
export function ProgressBar() {
  const m = messages.value.collect;
  const { steps, since } = whole.value;
  if (steps === 0) return null;
  const done = steps - left.value;
  const elapsed = performance.now() - since;
  const isKnown = elapsed > EARLY && done > FEW * steps;
  return (
    <label class="bringing">
      <span>
        {bringing.value && `${m.bringing(bringing.value.done, bringing.value.total)} `}
        {unseen.value > 0 && `${m.unseen(unseen.value)} `}
        {isKnown && m.timeLeft((elapsed * left.value) / done / 1000)}
      </span>
      <progress value={done} max={steps} />
    </label>
  );
}
