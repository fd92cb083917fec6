import { computed, effect, signal } from '@preact/signals';
import { messages } from './messages.ts';
import { status } from './store.ts';
import { bringing } from './upload.ts';

/** Pictures that are on the board and not looked at yet. */
const unseen = computed(() => {
  const { stage, done = 0, total = 0 } = status.value?.teaching ?? {};
  return stage === 'looking' ? total - done : 0;
});

/** Steps that are left: a file is brought in, and then looked at. */
const left = computed(() => {
  const { done = 0, total = 0 } = bringing.value ?? {};
  return 2 * (total - done) + unseen.value;
});

/** The most steps that were left since there last were none, and when that began (milliseconds). */
const whole = signal({ steps: 0, since: 0 });
effect(() => {
  const steps = left.value;
  const before = whole.peek();
  if (steps === 0) whole.value = { steps: 0, since: 0 };
  else if (before.steps === 0) whole.value = { steps, since: performance.now() };
  else if (steps > before.steps) whole.value = { ...before, steps };
});

/** Before this many milliseconds, and this share of the way, a guess of the time left would be none. */
const EARLY = 3000;
const FEW = 0.02;

/** One bar for everything on its way in: files that come, and pictures that are looked at. */
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
