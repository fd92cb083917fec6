import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import { api } from './api.ts';
import { cameraFor } from './camera.tsx';
import { FileLabel } from './file-label.tsx';
import { Icon } from './icons.tsx';
import { messages } from './messages.ts';
import { isTouch } from './parts.ts';
import { perform, tellError } from './store.ts';
import { COLLECTED, uploadPictures } from './upload.ts';

/** Number of classes that are shown on an empty board. */
const FIRST_CLASSES = [0, 1];

/** The names of the first classes. The classes are put on the board with the first picture of either. */
type Names = readonly string[];

/** The start page of an empty board: two classes, a place to drop pictures, and sample pictures. */
export function Start() {
  const m = messages.value.collect;
  const [given, setGiven] = useState<Names>([]);
  const names = FIRST_CLASSES.map((i) => given[i] || m.newClassName(i + 1));
  return (
    <div class="flow start">
      <p>{m.startLead}</p>
      <div class="first-classes">
        {names.map((name, i) => (
          <FirstClass
            key={FIRST_CLASSES[i]}
            name={name}
            begin={() => begin(names)[i]!}
            onRename={(typed) => setGiven(FIRST_CLASSES.map((at) => (at === i ? typed : (given[at] ?? ''))))}
          />
        ))}
      </div>
      <FileLabel class="drop-hint" accept={COLLECTED} onFiles={uploadPictures}>
        <Icon name="pictures" />
        <strong>{isTouch ? m.tapTitle : m.dropTitle}</strong>
        <span>{isTouch ? m.tapText : m.dropText}</span>
      </FileLabel>
      <Sample />
    </div>
  );
}

/** Puts the first classes on the board in one step. Returns their ids. */
function begin(names: Names): string[] {
  const step = crypto.randomUUID();
  return names.map((name) => {
    const id = crypto.randomUUID();
    perform({ do: 'add-class', id, name }, step);
    return id;
  });
}

function FirstClass({
  name,
  begin,
  onRename,
}: {
  name: string;
  begin: () => string;
  onRename(typed: string): void;
}) {
  const m = messages.value.collect;
  return (
    <fieldset class="first-class" aria-label={name}>
      <input
        type="text"
        class="class-name"
        aria-label={m.className}
        value={name}
        maxLength={200}
        spellcheck={false}
        onFocus={({ currentTarget }) => currentTarget.select()}
        onKeyDown={({ key, currentTarget }) => key === 'Enter' && currentTarget.blur()}
        onBlur={({ currentTarget }) => onRename(currentTarget.value.trim())}
      />
      <div class="actions">
        <button
          type="button"
          aria-label={m.camera(name)}
          onClick={() => {
            cameraFor.value = begin();
          }}
        >
          <Icon name="camera" />
          {m.takePictures}
        </button>
        <FileLabel
          class="button"
          title={m.addTo(name)}
          accept={COLLECTED}
          onFiles={(files) => uploadPictures(files, { classId: begin() })}
        >
          <Icon name="plus" />
          {m.upload}
        </FileLabel>
      </div>
    </fieldset>
  );
}

const isFetching = signal(false);

const source = signal<Awaited<ReturnType<typeof api.sampleSource>>>(undefined);

/** A button that puts the sample's pictures on the board, if there are any. */
function Sample() {
  const m = messages.value.collect;
  useEffect(() => {
    void api.sampleSource().then((found) => {
      source.value = found;
    }, tellError);
  }, []);
  if (!source.value) return null;
  const fetchSample = async () => {
    isFetching.value = true;
    await api.sample().catch(tellError);
    isFetching.value = false;
  };
  return (
    <div class="sample">
      <button type="button" class="primary" disabled={isFetching.value} onClick={() => void fetchSample()}>
        {isFetching.value ? m.fetchingSample : m.sample}
      </button>
      <span class="muted small">{m.sampleHints[source.value]}</span>
    </div>
  );
}
