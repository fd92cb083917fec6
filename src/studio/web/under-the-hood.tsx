import { effect, signal } from '@preact/signals';
import type { OptionValue } from '../board.ts';
import type { OptionFacts } from '../status.ts';
import { api } from './api.ts';
import { fileSize, messages } from './messages.ts';
import { board, methods, perform, status } from './store.ts';

const isOpen = signal(false);
/** Size in bytes of the classifier's file for download. */
const bytes = signal<number | undefined>(undefined);

effect(() => {
  const serial = status.value?.answering?.serial;
  bytes.value = undefined;
  if (!isOpen.value || serial === undefined || status.value?.teaching.stage !== 'done') return;
  void api.size().then(
    (size) => {
      if (status.peek()?.answering?.serial === serial) bytes.value = size;
    },
    // A size that cannot be computed now is requested again after the next change.
    () => {},
  );
});

/** The options of the chosen method, the values in use, and the size of the file. */
export function UnderTheHood() {
  const m = messages.value.hood;
  const { method } = board.value.settings;
  const { options: inUse = {} } = status.value?.answering ?? {};
  const known = methods.value.find(({ id }) => id === method)?.options ?? [];
  const isEditable = known.length > 0;
  return (
    <details
      class="part"
      id="hood"
      open={isOpen.value}
      onToggle={({ currentTarget }) => {
        isOpen.value = currentTarget.open;
      }}
    >
      <summary>{m.heading}</summary>
      {isEditable && <p class="muted small">{m.hint}</p>}
      {isEditable ? (
        known.map((option) => (
          <Field key={`${method} ${option.name}`} option={option} inUse={inUse[option.name]} />
        ))
      ) : (
        <dl class="options">
          {Object.entries(inUse).map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{told(value)}</dd>
            </div>
          ))}
        </dl>
      )}
      <p>{bytes.value === undefined ? m.measuring : m.size(fileSize(bytes.value))}</p>
    </details>
  );
}

const told = (value: OptionValue | undefined): string =>
  typeof value === 'number' ? String(Number(value.toPrecision(4))) : String(value ?? '');

/** An option that can be set by hand. If it is left empty, the search or the default of the method decides. */
function Field({
  option: { name, help, kind, choices },
  inUse,
}: {
  option: OptionFacts;
  inUse?: OptionValue;
}) {
  const { method, reject, options = {} } = board.value.settings;
  const given = options[name];
  const set = (value: OptionValue | undefined) => {
    const { [name]: _, ...others } = options;
    const next = value === undefined ? others : { ...others, [name]: value };
    perform({ do: 'set', settings: { method, reject, options: next } });
  };
  const offered = kind === 'flag' ? ['true', 'false'] : choices;
  const parse = (text: string): OptionValue | undefined => {
    if (text.trim() === '') return undefined;
    if (kind === 'flag') return text === 'true';
    // A text that is not a number is refused by the check of the option.
    return kind === 'number' && Number.isFinite(Number(text)) ? Number(text) : text;
  };
  const [id, hint] = [`hood-${name}`, `hood-${name}-hint`];
  return (
    <div class="option">
      <label for={id}>{name}</label>
      {offered ? (
        <select
          id={id}
          value={String(given ?? '')}
          aria-describedby={hint}
          onChange={({ currentTarget }) => set(parse(currentTarget.value))}
        >
          <option value="">{messages.value.hood.automatic(told(inUse))}</option>
          {offered.map((choice) => (
            <option key={choice} value={choice}>
              {choice}
            </option>
          ))}
        </select>
      ) : (
        <input
          type="text"
          inputMode={kind === 'number' ? 'decimal' : 'text'}
          id={id}
          value={given === undefined ? '' : String(given)}
          placeholder={messages.value.hood.automatic(told(inUse))}
          aria-describedby={hint}
          onChange={({ currentTarget }) => set(parse(currentTarget.value))}
        />
      )}
      <span class="muted small" id={hint} lang="en">
        {help}
      </span>
    </div>
  );
}
