import { signal } from '@preact/signals';
import { render } from 'preact';
import type { Problem } from './api.ts';
import { Icon } from './icons.tsx';
import { messages } from './messages.ts';
import { problemIn } from './server-backend.ts';

/** The page that a phone opens: it sends pictures to a class of the studio, one after the other. */

const token = location.hash.slice(1);

interface Sent {
  readonly key: number;
  readonly file: File;
  readonly url: string;
  readonly classId: string;
  readonly className: string;
  readonly state: 'waiting' | 'arrived' | 'known' | 'failed';
  readonly problem?: Problem;
}

const classes = signal<readonly { readonly id: string; readonly name: string }[]>([]);
const chosen = signal('');
const sent = signal<readonly Sent[]>([]);
/** The reason why the studio cannot be reached or refuses this page. */
const refusal = signal<'closed' | 'token' | undefined>(undefined);

async function ask(path: string, body?: Blob): Promise<Response> {
  const headers = { authorization: `Bearer ${token}` };
  const answer = await fetch(`./${path}`, body ? { method: 'POST', headers, body } : { headers });
  refusal.value = answer.status === 401 ? 'token' : undefined;
  return answer;
}

async function readClasses(): Promise<void> {
  try {
    const answer = await ask('classes');
    if (!answer.ok) return;
    const found = await answer.json();
    classes.value = found.classes;
    if (!classes.value.some(({ id }) => id === chosen.value)) chosen.value = found.chosen ?? '';
    if (!classes.value.some(({ id }) => id === chosen.value)) chosen.value = classes.value[0]?.id ?? '';
  } catch {
    refusal.value = 'closed';
  }
}

/** Pictures are sent in turn, so that a slow network has one at a time. */
let turn: Promise<unknown> = Promise.resolve();
let keys = 0;

function sendAll(files: readonly File[]): void {
  const { id: classId, name: className } = classes.value.find(({ id }) => id === chosen.value)!;
  for (const file of files) {
    const url = URL.createObjectURL(file);
    const one: Sent = { key: ++keys, file, url, classId, className, state: 'waiting' };
    sent.value = [one, ...sent.value];
    queue(one);
  }
}

function queue({ key, file, classId }: Sent): void {
  const tell = (change: Pick<Sent, 'state' | 'problem'>) => {
    sent.value = sent.value.map((one) => (one.key === key ? { ...one, problem: undefined, ...change } : one));
  };
  tell({ state: 'waiting' });
  turn = turn.then(async () => tell(await send(file, classId))).then(readClasses);
}

async function send(file: File, classId: string): Promise<Pick<Sent, 'state' | 'problem'>> {
  try {
    const query = new URLSearchParams({ class: classId, name: file.name });
    const answer = await ask(`pictures?${query}`, file);
    if (!answer.ok) return { state: 'failed', problem: await problemIn(answer) };
    return { state: (await answer.json()).isNew ? 'arrived' : 'known' };
  } catch (error) {
    refusal.value = 'closed';
    return { state: 'failed', problem: { code: 'network', message: (error as Error).message } };
  }
}

function Page() {
  const m = messages.value.phone;
  const arrived = sent.value.filter(({ state }) => state === 'arrived').length;
  return (
    <main class="phone">
      <h1>
        <img src="./icon.svg" alt="" width="28" height="28" />
        {messages.value.title}
      </h1>
      {refusal.value && <p class="problem">{m[refusal.value]}</p>}
      <label>
        {m.class}
        <select
          value={chosen.value}
          onChange={({ currentTarget }) => {
            chosen.value = currentTarget.value;
          }}
        >
          {classes.value.map(({ id, name }) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <Picker text={m.take} isCamera />
      <Picker text={m.choose} />
      <p role="status">{m.arrived(arrived)}</p>
      <ul>
        {sent.value.map((one) => (
          <SentPicture key={one.key} picture={one} />
        ))}
      </ul>
    </main>
  );
}

function SentPicture({ picture }: { picture: Sent }) {
  const m = messages.value.phone;
  const { file, url, className, state, problem } = picture;
  return (
    <li class={state}>
      <img src={url} alt={file.name} />
      <p>
        <strong>{className}</strong> {m.states[state]} {problem && messages.value.problem(problem).message}
      </p>
      {state === 'failed' && (
        <button type="button" onClick={() => queue(picture)}>
          {m.again}
        </button>
      )}
    </li>
  );
}

/** A large button that opens the phone's camera, or its pictures. A page without https may not use the camera itself. */
function Picker({ text, isCamera = false }: { text: string; isCamera?: boolean }) {
  return (
    <label class={`button large${isCamera ? ' primary' : ''}`}>
      <Icon name={isCamera ? 'camera' : 'pictures'} />
      {text}
      <input
        type="file"
        class="hidden"
        accept="image/*"
        multiple={!isCamera}
        capture={isCamera ? 'environment' : undefined}
        disabled={chosen.value === ''}
        onChange={({ currentTarget }) => {
          sendAll([...(currentTarget.files ?? [])]);
          currentTarget.value = '';
        }}
      />
    </label>
  );
}

// Another code was scanned.
addEventListener('hashchange', () => location.reload());
// The classes may have changed while the phone showed something else.
addEventListener('focus', () => void readClasses());
void readClasses();
render(<Page />, document.getElementById('app') as HTMLElement);
