import { focusHeading } from './focus.ts';
import { messages } from './messages.ts';
import { PARTS, type Part, part } from './parts.ts';

/** The first stops of Tab lead past everything before a part. */
export function SkipLinks() {
  const m = messages.value;
  const go = (name: Part) => {
    part.value = name;
    requestAnimationFrame(() => focusHeading(document.getElementById(name)));
  };
  return (
    <nav class="skip" aria-label={m.skip}>
      {PARTS.map((name) => (
        <button key={name} type="button" onClick={() => go(name)}>
          {m.skipTo(m.sections[name])}
        </button>
      ))}
    </nav>
  );
}
