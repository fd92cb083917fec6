import { ALPHA, BETA, place, SearchMap, valueAt } from './charts.tsx';
import { messages } from './messages.ts';
import { board, perform, status } from './store.ts';

/** Tip-Adapter's two constants as sliders over what the search has seen; one step back to the tuned ones. */
export function Constants() {
  const m = messages.value.try;
  const { settings } = board.value;
  const { tuned, surface } = status.value?.answering ?? {};
  if (!tuned) return null;
  const { alpha = tuned.alpha, beta = tuned.beta } = settings;
  const isByHand = settings.alpha !== undefined;
  const set = (values: { alpha: number; beta: number }) =>
    perform({ do: 'set', settings: { ...settings, ...values } }, 'constants');
  return (
    <details class="part" id="constants">
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
      {surface && surface.length > 1 && (
        <SearchMap
          surface={surface}
          tuned={tuned}
          now={{ alpha, beta }}
          label={`alpha ${tuned.alpha.toPrecision(3)}, beta ${tuned.beta.toPrecision(3)}: ${m.chosen}`}
        />
      )}
      <p class="muted small">
        ◯ {m.chosen}: α {tuned.alpha.toPrecision(3)}, β {tuned.beta.toPrecision(3)} · ┼ {m.current}: α{' '}
        {alpha.toPrecision(3)}, β {beta.toPrecision(3)}
      </p>
      <button
        type="button"
        disabled={!isByHand}
        onClick={() => perform({ do: 'set', settings: { method: settings.method, reject: settings.reject } })}
      >
        {m.back}
      </button>
    </details>
  );
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
