import { computed, effect, signal } from '@preact/signals';
import { ALPHA, BETA, place, valueAt } from '../scales.ts';
import { api, type SearchMap } from './api.ts';
import { rangeOf, SearchSurface } from './charts.tsx';
import { messages, percent } from './messages.ts';
import { board, perform, status } from './store.ts';

const isOpen = signal(false);
const map = signal<SearchMap | undefined>(undefined);

/** Changes whenever the constants were tuned again. */
const choice = computed(() => {
  const { tuned, pictures, classes } = status.value?.answering ?? {};
  return tuned && [tuned.alpha, tuned.beta, pictures, classes].join(' ');
});

/** Whether the map is shown. It is computed only then. */
effect(() => {
  if (!isOpen.value || !choice.value) return;
  // After a failure, the next change requests the map again.
  void api.map().then(
    (found) => {
      map.value = found ?? undefined;
    },
    () => {},
  );
});

/** Sliders for Tip-Adapter's two constants, the map of the search, and a button back to the tuned constants. */
export function Constants() {
  const m = messages.value.try;
  const { settings } = board.value;
  const { tuned } = status.value?.answering ?? {};
  if (!tuned) return null;
  const { alpha = tuned.alpha, beta = tuned.beta } = settings;
  const isByHand = settings.alpha !== undefined;
  const set = (values: { alpha: number; beta: number }) =>
    perform({ do: 'set', settings: { ...settings, ...values } }, 'constants');
  const chosen = `${m.chosen}: α ${tuned.alpha.toPrecision(3)}, β ${tuned.beta.toPrecision(3)}`;
  return (
    <details
      class="part"
      id="constants"
      onToggle={({ currentTarget }) => {
        isOpen.value = currentTarget.open;
      }}
    >
      <summary>{m.hand}</summary>
      <Slider
        label={m.alpha}
        hint={m.alphaHint}
        value={alpha}
        scale={ALPHA}
        onValue={(value) => set({ alpha: value, beta })}
      />
      <Slider
        label={m.beta}
        hint={m.betaHint}
        value={beta}
        scale={BETA}
        onValue={(value) => set({ alpha, beta: value })}
      />
      {map.value && (
        <figure>
          <SearchSurface map={map.value} tuned={tuned} now={{ alpha, beta }} label={chosen} onPick={set} />
          <figcaption class="muted small">{surfaceText(map.value)}</figcaption>
        </figure>
      )}
      <p class="muted small">
        ◯ {chosen} · ┼ {m.current}: α {alpha.toPrecision(3)}, β {beta.toPrecision(3)}
      </p>
      <button
        type="button"
        disabled={!isByHand}
        onClick={() => {
          const { method, reject, options } = settings;
          perform({ do: 'set', settings: { method, reject, options } });
        }}
      >
        {m.back}
      </button>
    </details>
  );
}

function surfaceText({ recognised }: SearchMap): string {
  const [least, most] = rangeOf(recognised);
  return messages.value.try.surface(percent(least), percent(most));
}

function Slider({
  label,
  hint,
  value,
  scale,
  onValue,
}: {
  label: string;
  hint: string;
  value: number;
  scale: readonly [number, number];
  onValue: (value: number) => void;
}) {
  return (
    <label class="slider">
      <span>
        {label} <output>{value.toPrecision(3)}</output>
      </span>
      <input
        type="range"
        min="0"
        max="1"
        step="0.01"
        value={place(value, scale)}
        aria-valuetext={value.toPrecision(3)}
        onInput={({ currentTarget }) => onValue(valueAt(Number(currentTarget.value), scale))}
      />
      <span class="muted small">{hint}</span>
    </label>
  );
}
