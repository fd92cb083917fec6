import { signal } from '@preact/signals';
import { Icon } from './icons.tsx';
import { messages } from './messages.ts';
import { check, status } from './store.ts';

/** How the downloaded file is used elsewhere. */
const CODE = {
  shell: 'tip-adapter predict classifier.safetensors new-pictures/',
  node: `import { load } from 'tip-adapter';

const classifier = await load('classifier.safetensors');
const { predictions } = await classifier.predict(['new.jpg']);
console.log(predictions[0].name, predictions[0].probability);
await classifier.close();`,
} as const;

type CodeLanguage = keyof typeof CODE;
const chosen = signal<CodeLanguage>('shell');
const isCopied = signal(false);

/** What the person takes along. */
export function Keep() {
  const m = messages.value.keep;
  if (!status.value?.answering) return null;
  return (
    <div class="part" id="keep">
      <h3>{m.heading}</h3>
      <p class="muted">{m.lead}</p>
      <div class="actions">
        <a class="button primary" href="./api/classifier" download="classifier.safetensors">
          <Icon name="down" />
          {m.classifier}
        </a>
        {check.value && (
          <a class="button" href="./api/report" download="report.html">
            <Icon name="down" />
            {m.report}
          </a>
        )}
      </div>
      <p class="muted small">{m.faces}</p>
      <details class="code">
        <summary>{m.code}</summary>
        <div class="actions">
          {(Object.keys(CODE) as CodeLanguage[]).map((name) => (
            <button
              key={name}
              type="button"
              class="quiet"
              aria-pressed={chosen.value === name}
              onClick={() => {
                chosen.value = name;
              }}
            >
              {m.languages[name]}
            </button>
          ))}
          <button type="button" onClick={() => void copy(CODE[chosen.value])}>
            {isCopied.value ? m.copied : m.copy}
          </button>
        </div>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard. */}
        <pre tabIndex={0}>{CODE[chosen.value]}</pre>
      </details>
    </div>
  );
}

async function copy(text: string): Promise<void> {
  await navigator.clipboard.writeText(text);
  isCopied.value = true;
  setTimeout(() => {
    isCopied.value = false;
  }, 2000);
}
