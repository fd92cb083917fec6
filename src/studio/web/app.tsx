import { effect, signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { api } from './api.ts';
import { Camera, cameraFor } from './camera.tsx';
import { Collect } from './collect.tsx';
import { dropTarget, followDrags } from './drop.ts';
import { Icon } from './icons.tsx';
import { Keep } from './keep.tsx';
import { LANGUAGES, type Language, language, messages } from './messages.ts';
import { Notices } from './notices.tsx';
import { PARTS, part, shownPart } from './parts.ts';
import { Phone, phoneFor } from './phone.tsx';
import { Preview } from './preview.tsx';
import { Project } from './project.tsx';
import { SkipLinks } from './skip-links.tsx';
import { classNames, ready, redo, status, undo } from './store.ts';
import { Teach } from './teach.tsx';
import { tryPictures } from './tried.ts';
import { Try } from './try.tsx';
import { incomingOf, uploadPictures } from './upload.ts';

const THEMES = ['auto', 'light', 'dark'] as const;
const theme = signal(localStorage.getItem('tip-adapter.theme') ?? 'auto');
effect(() => {
  localStorage.setItem('tip-adapter.theme', theme.value);
  document.documentElement.dataset.theme = theme.value;
});

export function App() {
  useEffect(() => listen(), []);
  return (
    <div
      class="app"
      data-tab={shownPart.value}
      data-drop={dropTarget.value?.part}
      data-start={status.value?.answering ? undefined : ''}
    >
      {ready.value && <SkipLinks />}
      <Header />
      <Notices />
      {ready.value && (
        <main>
          <Collect />
          <Tabs />
          <Teach />
          <Try />
          <Keep />
        </main>
      )}
      {cameraFor.value && <Camera />}
      {phoneFor.value !== undefined && <Phone />}
      <Preview />
      <DropHint />
    </div>
  );
}

/** Shows where the dragged pictures or files would go. */
function DropHint() {
  const m = messages.value;
  const target = dropTarget.value;
  if (!target || (target.what === 'pictures' && target.classId === undefined)) return null;
  const name = target.classId ? classNames.value.get(target.classId) : undefined;
  return (
    <p class="drop-target" role="status">
      {target.part === 'try' ? m.dropToTry : name === undefined ? m.dropToCollect : m.dropToClass(name)}
    </p>
  );
}

const ICONS = { collect: 'pictures', teach: 'check', try: 'try', keep: 'down' } as const;

function Tabs() {
  const m = messages.value;
  return (
    <nav class="tabs" aria-label={m.title}>
      {PARTS.map((name) => (
        <button
          key={name}
          type="button"
          aria-current={shownPart.value === name ? 'page' : undefined}
          onClick={() => {
            part.value = name;
          }}
        >
          <Icon name={ICONS[name]} />
          {m.sections[name]}
        </button>
      ))}
    </nav>
  );
}

function Header() {
  const m = messages.value;
  const { undo: back = 0, redo: forward = 0 } = status.value ?? {};
  return (
    <header class="top">
      <h1>
        <img src="./icon.svg" alt="" width="28" height="28" />
        {m.title}
      </h1>
      {ready.value && <Project />}
      <p class="private" title={api.hasProgram ? m.privateMore : m.privateInBrowser}>
        <Icon name="lock" />
        {m.private}
      </p>
      <div class="tools">
        <button
          type="button"
          class="quiet square"
          disabled={back === 0}
          onClick={undo}
          aria-label={m.undo}
          title={m.undo}
        >
          <Icon name="undo" />
        </button>
        <button
          type="button"
          class="quiet square"
          disabled={forward === 0}
          onClick={redo}
          aria-label={m.redo}
          title={m.redo}
        >
          <Icon name="redo" />
        </button>
        <select
          aria-label={m.language}
          value={language.value}
          onChange={(event) => {
            language.value = event.currentTarget.value as Language;
          }}
        >
          {Object.entries(LANGUAGES).map(([id, name]) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
        </select>
        <select
          aria-label={m.theme.label}
          value={theme.value}
          onChange={(event) => {
            theme.value = event.currentTarget.value;
          }}
        >
          {THEMES.map((name) => (
            <option key={name} value={name}>
              {m.theme[name]}
            </option>
          ))}
        </select>
      </div>
    </header>
  );
}

/** Handlers for the whole page: dropping, pasting, and undo and redo by keyboard. */
function listen(): () => void {
  const stop = new AbortController();
  const on = <K extends keyof DocumentEventMap>(name: K, heard: (event: DocumentEventMap[K]) => void) =>
    document.addEventListener(name, heard, { signal: stop.signal });
  followDrags(stop.signal);
  on('paste', (event) => {
    if (isTyping(event.target) || !event.clipboardData) return;
    const isTrying = document.activeElement?.closest('#try');
    void incomingOf(event.clipboardData).then((files) => {
      if (isTrying) tryPictures(files);
      else void uploadPictures(files);
    });
  });
  on('keydown', (event) => {
    if (!(event.ctrlKey || event.metaKey) || isTyping(event.target)) return;
    const key = event.key.toLowerCase();
    if (key !== 'z' && key !== 'y') return;
    event.preventDefault();
    if (key === 'y' || event.shiftKey) redo();
    else undo();
  });
  return () => stop.abort();
}

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLInputElement && target.type === 'text';
