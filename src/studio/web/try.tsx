import { useEffect, useRef } from 'preact/hooks';
import { type Trial, thumbnailUrl } from './api.ts';
import { filesOf, incomingOf } from './bring-in.ts';
import { grabFrame, openCamera } from './camera.tsx';
import { ClassChoice } from './class-choice.tsx';
import { Constants } from './constants.tsx';
import { Icon } from './icons.tsx';
import { messages, percent } from './messages.ts';
import { ProblemText } from './notices.tsx';
import { board, notify, perform, status } from './store.ts';
import { Waiting } from './teach.tsx';
import {
  answers,
  askFrame,
  current,
  isLive,
  keepTried,
  show,
  type Tried,
  told,
  tried,
  tryPictures,
} from './tried.ts';

export function Try() {
  const m = messages.value.try;
  const isReady = status.value?.answering !== undefined;
  return (
    <section
      id="try"
      aria-labelledby="try-heading"
      onDrop={(event) => {
        event.preventDefault();
        void incomingOf(event.dataTransfer as DataTransfer).then(tryPictures);
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
            <Answer />
            <Constants />
          </>
        ) : (
          <Waiting />
        )}
      </div>
    </section>
  );
}

/** Where the tried picture, or the camera, is seen. */
function Stage() {
  const m = messages.value.try;
  const picture = current.value;
  return (
    <>
      <div class={`stage-box${picture || isLive.value ? '' : ' empty'}`}>
        {isLive.value ? (
          <Live />
        ) : picture ? (
          <img src={picture.url} alt={m.picture} decoding="async" />
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
            multiple
            accept="image/*,.heic"
            onChange={({ currentTarget }) => {
              tryPictures(filesOf(currentTarget.files ?? []));
              currentTarget.value = '';
            }}
          />
        </label>
        <button
          type="button"
          aria-pressed={isLive.value}
          onClick={() => {
            tryPictures([]);
            isLive.value = !isLive.value;
          }}
        >
          <Icon name="camera" />
          {isLive.value ? m.stopCamera : m.camera}
        </button>
      </div>
      {tried.value.length > 1 && (
        <ul class="tried" aria-label={m.all(tried.value.length)}>
          {tried.value.map((one) => (
            <TriedPicture key={one.key} picture={one} />
          ))}
        </ul>
      )}
    </>
  );
}

/** One of several: what it was taken for, and the way to see why. */
function TriedPicture({ picture: { key, url, name } }: { picture: Tried }) {
  const answer = answers.value.get(key);
  const isShown = current.value?.key === key;
  const verdict = answer && ('problem' in answer ? '?' : verdictOf(answer.trial.classes[0]));
  return (
    <li>
      <button type="button" aria-pressed={isShown} title={name} onClick={() => show(key)}>
        <img src={url} alt={name} loading="lazy" decoding="async" />
        <span class="clip">{verdict ?? '…'}</span>
      </button>
    </li>
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
        await askFrame(await grabFrame(element));
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

/** The name of an answer that is sure enough, or that it is none of the classes. */
const verdictOf = ({ name, probability }: { name: string; probability: number }) =>
  probability < board.value.settings.reject ? messages.value.try.none : name;

function Answer() {
  const m = messages.value.try;
  const picture = current.value;
  const answer = told.value;
  if (!answer) return null;
  if ('problem' in answer) {
    return (
      <p class="problem" role="status">
        <ProblemText problem={answer.problem} />
      </p>
    );
  }
  const { classes, nearest, part, milliseconds } = answer.trial;
  const [top] = classes;
  return (
    <>
      <p class="verdict">
        {/* Read aloud when it becomes another one, not with every frame. */}
        <strong role="status">{verdictOf(top)}</strong>
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
      {picture && (
        <p class="actions">
          <span class="muted">{m.teachIt}</span>
          <ClassChoice
            label={m.teachIt}
            text={m.aClass}
            except={[]}
            onChoose={(classId) => void keepTried(picture, classId)}
          />
        </p>
      )}
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
      <Parts classes={classes.slice(0, SHOWN)} part={part} />
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

/** For each class, what its name and what the examples say: bars from the least of all. */
function Parts({ classes, part }: Pick<Trial, 'classes' | 'part'>) {
  const m = messages.value.try;
  const leastText = Math.min(...classes.map(({ text }) => text));
  const leastOwn = Math.min(0, ...classes.map(({ examples }) => examples));
  const rows = classes.map(({ id, name, text, examples }) => {
    return { id, name, text: text - leastText, own: examples - leastOwn };
  });
  const most = Math.max(...rows.map(({ text, own }) => text + own), 1e-6);
  const width = (value: number) => `${(100 * value) / most}%`;
  return (
    <details class="part">
      <summary>{m.why}</summary>
      <p class="muted">{classes.every(({ text }) => text === 0) ? m.examplesAlone : m.whyHint}</p>
      <ul class="bars parts">
        {rows.map(({ id, name, text, own }) => (
          <li key={id}>
            <span class="clip">{name}</span>
            <span class="bar">
              <i class="from-name" style={{ width: width(text) }} />
              <i style={{ width: width(own) }} />
            </span>
            <span class="number">
              {text.toFixed(1)} + {own.toFixed(1)}
            </span>
          </li>
        ))}
      </ul>
      <p class="legend">
        <span class="from-name">{m.fromName}</span>{' '}
        <span>{part === 'cache' ? m.fromExamples : m.fromLearnt}</span>
      </p>
    </details>
  );
}
