import { signal } from '@preact/signals';
import { Icon } from './icons.tsx';
import { Either } from './lists.tsx';
import { messages } from './messages.ts';
import { board, check, status } from './store.ts';

/** How the downloaded file is used elsewhere. */
const CODE = {
  shell: 'tip-adapter predict classifier.safetensors new-pictures/',
  node: `import { load } from 'tip-adapter';

const classifier = await load('classifier.safetensors');
const { predictions } = await classifier.predict(['new.jpg']);
console.log(predictions[0].name, predictions[0].probability);
await classifier.close();`,
  python: `# With the ONNX model; of photos from a camera, docs/export.md turns them the right way up first.
import json, numpy, onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession('classifier.onnx')
about = session.get_modelmeta().custom_metadata_map
how, labels = json.loads(about['preprocessing']), json.loads(about['labels'])
picture, to, side = Image.open('new.jpg').convert('RGB'), how['resizeTo'], how['crop']
size = [to if s == min(picture.size) else to * s // min(picture.size) for s in picture.size]
size = (to, to) if how['resize'] == 'squash' else size
picture = picture.resize(size, Image.BICUBIC if how['filter'] == 'bicubic' else Image.BILINEAR)
x, y = (round((s - side) / 2) for s in picture.size)
pixels = numpy.asarray(picture.crop((x, y, x + side, y + side)))[None]
p = session.run(['probabilities'], {'pixels': pixels})[0][0]
print(labels[p.argmax()], p.max())`,
  curl: `tip-adapter serve classifier.safetensors
curl -F picture=@new.jpg http://127.0.0.1:8080/v1/models/classifier/predict`,
} as const;

type CodeLanguage = keyof typeof CODE;
const chosen = signal<CodeLanguage>('shell');
const isCopied = signal(false);

/** What the person takes along. */
export function Keep() {
  const m = messages.value.keep;
  const isAnswering = status.value?.answering !== undefined;
  if (board.value.pictures.size === 0) return null;
  return (
    <div class="part" id="keep">
      <h3>{m.heading}</h3>
      {isAnswering && <Classifier />}
      <p class="muted">{m.projectHint}</p>
      <div class="actions">
        <Download what="project" file="pictures.zip" label={m.project} />
      </div>
      <p class="muted small">{m.folder(status.value?.folder ?? '')}</p>
      {isAnswering && <Code />}
    </div>
  );
}

/** The classifier in the ways it can be used. */
function Classifier() {
  const m = messages.value.keep;
  return (
    <>
      <p class="muted">
        {m.lead} {m.faces}
      </p>
      <div class="actions">
        <Download what="classifier" file="classifier.safetensors" label={m.classifier} primary />
        {check.value && <Download what="report" file="report.html" label={m.report} />}
        <Download what="page" file="classifier.html" label={m.page} />
        <Download what="onnx" file="classifier.onnx" label={m.onnx} />
        <Download what="card" file="classifier.md" label={m.card} />
      </div>
      <p class="muted small">{m.others}</p>
    </>
  );
}

function Download({
  what,
  file,
  label,
  primary,
}: {
  what: string;
  file: string;
  label: string;
  primary?: boolean;
}) {
  return (
    <a class={`button${primary ? ' primary' : ''}`} href={`./api/${what}`} download={file}>
      <Icon name="down" />
      {label}
    </a>
  );
}

/** The lines that use what was downloaded. */
function Code() {
  const m = messages.value.keep;
  return (
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
          <Either texts={[m.copy, m.copied]} shown={isCopied.value ? 1 : 0} />
        </button>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard. */}
      <pre tabIndex={0}>{CODE[chosen.value]}</pre>
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
