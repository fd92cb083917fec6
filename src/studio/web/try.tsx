import { effect, signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { ApiError, api, type Trial, thumbnailUrl } from './api.ts';
import { incomingOf } from './bring-in.ts';
import { grabFrame, openCamera } from './camera.tsx';
import { Constants } from './constants.tsx';
import { Icon } from './icons.tsx';
import { messages, percent } from './messages.ts';
import { board, notify, perform, saved, status, tellError } from './store.ts';

interface Tried {
  readonly picture: Blob;
  /** For the image element; empty for a camera frame, which the video shows. */
  readonly url: string;
}

const tried = signal<Tried | undefined>(undefined);
const trial = signal<Trial | undefined>(undefined);
const isLive = signal(false);

/** Shows the classifier a picture. */
export function tryPicture(picture: Blob): void {
  isLive.value = false;
  if (tried.peek()?.url) URL.revokeObjectURL(tried.peek()?.url as string);
  tried.value = { picture, url: URL.createObjectURL(picture) };
}

/** A picture is asked about when it comes, and again whenever someone else answers or another answer is "none of these". */
effect(() => {
  const current = tried.value;
  const serial = status.value?.answering?.serial;
  const { reject } = board.value.settings;
  if (!current?.url || serial === undefined) return;
  void saved().then(() => askAbout(current.picture, reject));
});

async function askAbout(picture: Blob, _reject?: number): Promise<void> {
  try {
    const answer = await api.try(picture);
    if (tried.peek()?.picture === picture || isLive.peek()) trial.value = answer;
  } catch (error) {
    if (error instanceof ApiError) notify({ kind: 'problem', problem: error.problem });
    else tellError(error);
  }
}

export function Try() {
  const m = messages.value.try;
  const isReady = status.value?.answering !== undefined;
  return (
    <section
      id="try"
      aria-labelledby="try-heading"
      onDrop={(event) => {
        event.preventDefault();
        void incomingOf(event.dataTransfer as DataTransfer).then(
          ([first]) => first && tryPicture(first.file),
        );
      }}
    >
      <div class="heading">
        <h2 id="try-heading">{m.heading}</h2>
        <p>{m.lead}</p>
      </div>
      <div class="flow">
        {isReady ? (
          <>
            <Stage />
            {trial.value && (tried.value || isLive.value) && <Answer trial={trial.value} />}
          </>
        ) : (
          <p class="placeholder">{m.waiting}</p>
        )}
      </div>
    </section>
  );
}

/** Where the tried picture, or the camera, is seen. */
function Stage() {
  const m = messages.value.try;
  return (
    <>
      <div class={`stage-box${tried.value || isLive.value ? '' : ' empty'}`}>
        {isLive.value ? (
          <Live />
        ) : tried.value ? (
          <img src={tried.value.url} alt={m.picture} decoding="async" />
        ) : (
          <>
            <Icon name="try" />
            <strong>{m.drop}</strong>
          </>
        )}
      </div>
      <div class="actions try-actions">
        <label class="button">
          <Icon name="pictures" />
          {m.choose}
          <input
            type="file"
            id="try-file"
            class="hidden"
            accept="image/*,.heic"
            onChange={({ currentTarget }) => {
              const [file] = currentTarget.files ?? [];
              if (file) tryPicture(file);
              currentTarget.value = '';
            }}
          />
        </label>
        <button
          type="button"
          aria-pressed={isLive.value}
          onClick={() => {
            trial.value = undefined;
            tried.value = undefined;
            isLive.value = !isLive.value;
          }}
        >
          <Icon name="camera" />
          {isLive.value ? m.stopCamera : m.camera}
        </button>
      </div>
    </>
  );
}

/** Milliseconds between an answer and the next frame: the page stays calm and the program free for other work. */
const PAUSE = 150;

/** The camera, asked about again and again: the next frame is taken when the last one is answered. */
function Live() {
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    let isOver = false;
    const run = async () => {
      const element = video.current as HTMLVideoElement;
      const close = await openCamera(element);
      while (!isOver) {
        await askAbout(await grabFrame(element));
        await new Promise((resolve) => setTimeout(resolve, PAUSE));
      }
      close();
    };
    run().catch(() => {
      isLive.value = false;
      notify({ kind: 'problem', problem: { code: 'camera', message: messages.value.camera.denied } });
    });
    return () => {
      isOver = true;
    };
  }, []);
  return <video ref={video} muted playsInline />;
}

const SHOWN = 5;

function Answer({ trial: { classes, nearest, rejected, part, milliseconds } }: { trial: Trial }) {
  const m = messages.value.try;
  const [top] = classes;
  return (
    <>
      <p class="verdict" role="status">
        <strong>{rejected ? m.none : top.name}</strong>
        <span class="muted">{percent(top.probability)}</span>
      </p>
      <ul class="bars">
        {classes.slice(0, SHOWN).map(({ id, name, probability }) => (
          <li key={id}>
            <span class="clip">{name}</span>
            <span class="bar">
              <i style={{ width: `${100 * probability}%` }} />
            </span>
            <span class="number">{percent(probability)}</span>
          </li>
        ))}
      </ul>
      <Threshold />
      <div class="part">
        <h3>{m.because}</h3>
        <ul class="nearest">
          {nearest.map(({ hash, className, similarity }) => (
            <li key={hash}>
              <img src={thumbnailUrl(hash)} alt={className} />
              <span class="clip">{className}</span>
              <span class="muted">{m.similar(percent(similarity))}</span>
            </li>
          ))}
        </ul>
      </div>
      {part === 'cache' && <Parts classes={classes.slice(0, SHOWN)} />}
      <Constants />
      <p class="muted small" data-took={milliseconds}>
        {m.took(milliseconds)}
      </p>
    </>
  );
}

function Threshold() {
  const m = messages.value.try;
  const { settings } = board.value;
  return (
    <label class="slider">
      <span>
        {m.threshold} <output>{settings.reject === 0 ? m.never : percent(settings.reject)}</output>
      </span>
      <input
        type="range"
        min="0"
        max="0.95"
        step="0.05"
        value={settings.reject}
        onInput={({ currentTarget }) =>
          perform({ do: 'set', settings: { ...settings, reject: Number(currentTarget.value) } }, 'threshold')
        }
      />
    </label>
  );
}

/** For each class, what its name and what the examples say: bars to both sides of what is common to all. */
function Parts({ classes }: { classes: Trial['classes'] }) {
  const m = messages.value.try;
  const least = Math.min(...classes.map(({ text }) => text));
  const most = Math.max(...classes.map(({ text, examples }) => text - least + examples), 1e-6);
  const width = (value: number) => `${(100 * value) / most}%`;
  return (
    <details class="part">
      <summary>{m.why}</summary>
      <p class="muted">{m.whyHint}</p>
      <ul class="bars parts">
        {classes.map(({ id, name, text, examples }) => (
          <li key={id}>
            <span class="clip">{name}</span>
            <span class="bar">
              <i class="from-name" style={{ width: width(text - least) }} />
              <i style={{ width: width(examples) }} />
            </span>
            <span class="number">
              {(text - least).toFixed(1)} + {examples.toFixed(1)}
            </span>
          </li>
        ))}
      </ul>
      <p class="legend">
        <span class="from-name">{m.fromName}</span> <span>{m.fromExamples}</span>
      </p>
    </details>
  );
}
