import { computed, signal } from '@preact/signals';
import { exportName } from '../export-name.ts';
import { api, type Export } from './api.ts';
import { Icon } from './icons.tsx';
import { Either } from './lists.tsx';
import { fileSize, messages } from './messages.ts';
import { saveFile } from './save-file.ts';
import { board, check, notify, saved, status, tellError } from './store.ts';
import { Tour } from './tour.tsx';
import { bringing } from './upload.ts';

/** Example code for the downloaded files, by language. */
const codeOf = (name: string) => ({
  shell: `tip-adapter predict ${name}.safetensors new-pictures/`,
  node: `import { load } from 'tip-adapter';

const classifier = await load('${name}.safetensors');
const { predictions } = await classifier.predict(['new.jpg']);
console.log(predictions[0].name, predictions[0].probability);
await classifier.close();`,
  python: `# With the ONNX model; of photos from a camera, docs/export.md turns them the right way up first.
import json, numpy, onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession('${name}.onnx')
about = session.get_modelmeta().custom_metadata_map
how, labels = json.loads(about['preprocessing']), json.loads(about['labels'])
picture, to, side = Image.open('new.jpg').convert('RGB'), how['resizeTo'], how['crop']
edge = (max if how['resize'] == 'longest' else min)(picture.size)
size = [{'squash': to, 'shortest': to * s // edge, 'longest': round(s / (edge / to))}[how['resize']] for s in picture.size]
picture = picture.resize(size, Image.BICUBIC if how['filter'] == 'bicubic' else Image.BILINEAR)
x, y = (round((s - side) / 2) if s > side else -((side - s) // 2) for s in picture.size)
pixels = numpy.asarray(picture.crop((x, y, x + side, y + side)))[None]
p = session.run(['probabilities'], {'pixels': pixels})[0][0]
print(labels[p.argmax()], p.max())`,
  curl: `tip-adapter serve ${name}.safetensors
curl -F picture=@new.jpg http://127.0.0.1:8080/v1/models/${name}/predict`,
});

type CodeLanguage = keyof ReturnType<typeof codeOf>;
const code = computed(() => codeOf(exportName(board.value.name)));
const chosen = signal<CodeLanguage>('shell');
const isCopied = signal(false);

/** The section with the downloads. */
export function Keep() {
  const m = messages.value.keep;
  const isAnswering = status.value?.answering !== undefined;
  const { undo: back = 0, redo: forward = 0 } = status.value ?? {};
  return (
    <section id="keep" aria-labelledby="keep-heading">
      <div class="heading">
        <h2 id="keep-heading">{m.heading}</h2>
        <p>{isAnswering ? m.faces : m.lead}</p>
      </div>
      <div class="flow">
        <Tour at="keep" />
        {isAnswering ? <Classifier /> : <p class="placeholder">{m.nothingYet}</p>}
        {board.value.pictures.size > 0 && (
          <div class="part">
            <p class="muted">{m.projectHint}</p>
            <Download what="project" label={m.project} />
          </div>
        )}
        {isAnswering && <Code />}
        {board.value.pictures.size > 0 && (
          <p class="muted small">{api.hasProgram ? m.folder(status.value?.folder ?? '') : m.inBrowser}</p>
        )}
        {api.removeDeleted && back + forward > 0 && (
          <div class="part">
            <p class="muted small">{m.removeDeletedHint}</p>
            {/* An import does not send a picture again that was on the board when the import read it. */}
            <button
              type="button"
              disabled={bringing.value !== undefined}
              onClick={() => void removeDeleted().catch(tellError)}
            >
              {m.removeDeleted}
            </button>
          </div>
        )}
      </div>
    </section>
  );
}

/** Downloads of the classifier in its formats. */
function Classifier() {
  const m = messages.value.keep;
  return (
    <div class="kept">
      <div class="actions">
        <Download what="classifier" label={m.classifier} primary />
        {check.value && <Download what="report" label={m.report} />}
        {api.hasProgram && <Download what="page" label={m.page} />}
        {api.hasProgram && <Download what="site" label={m.site} />}
        <Download what="onnx" label={m.onnx} />
        <Download what="card" label={m.card} />
      </div>
      <p class="muted small">{api.hasProgram ? m.others : m.othersByProgram}</p>
    </div>
  );
}

async function removeDeleted(): Promise<void> {
  await saved();
  const bytes = await api.removeDeleted?.();
  notify({ kind: 'freed', size: fileSize(bytes ?? 0) });
}

function Download({ what, label, primary }: { what: Export; label: string; primary?: boolean }) {
  const url = api.exportUrl(what);
  const kind = primary ? ' primary' : '';
  if (url !== undefined) {
    return (
      <a class={`button${kind}`} href={url} download>
        <Icon name="down" />
        {label}
      </a>
    );
  }
  return (
    <button
      type="button"
      class={kind}
      disabled={making.value !== undefined}
      onClick={() => void make(what).catch(tellError)}
    >
      <Icon name="down" />
      {making.value === what ? messages.value.keep.making : label}
    </button>
  );
}

/** The export that is being made. */
const making = signal<Export | undefined>(undefined);

/** Has the back end make an export, and saves it as a download of the browser. */
async function make(what: Export): Promise<void> {
  making.value = what;
  try {
    await saved();
    saveFile(await api.export(what));
  } finally {
    making.value = undefined;
  }
}

/** The example code, with a button that copies it. */
function Code() {
  const m = messages.value.keep;
  return (
    <details class="part code">
      <summary>{m.code}</summary>
      <div class="actions">
        {(Object.keys(code.value) as CodeLanguage[]).map((name) => (
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
        <button type="button" onClick={() => void copy(code.value[chosen.value])}>
          <Either texts={[m.copy, m.copied]} shown={isCopied.value ? 1 : 0} />
        </button>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard. */}
      <pre tabIndex={0}>{code.value[chosen.value]}</pre>
    </details>
  );
}

async function copy(text: string): Promise<void> {
  await navigator.clipboard.writeText(text);
  isCopied.value = true;
  setTimeout(() => {
    isCopied.value = false;
  }, 2000);
}
