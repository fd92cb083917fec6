import { useEffect, useRef } from 'preact/hooks';
import { problemOf } from '../status.ts';
import { sampleUrl, type Trial, thumbnailUrl } from './api.ts';
import { CameraChoice } from './camera-settings.tsx';
import { cameraSettings, grabFrame, openChosenCamera } from './camera-source.ts';
import { ClassChoice } from './class-choice.tsx';
import { Constants } from './constants.tsx';
import { FileLabel } from './file-label.tsx';
import { Icon } from './icons.tsx';
import { Either } from './lists.tsx';
import { messages, percent } from './messages.ts';
import { ProblemText } from './notices.tsx';
import { isTouch } from './parts.ts';
import { Seeable } from './preview.tsx';
import { board, notify, perform, status } from './store.ts';
import { Waiting } from './teach.tsx';
import { Tour } from './tour.tsx';
import {
  answers,
  askFrame,
  current,
  decodeTried,
  isLive,
  keepFrame,
  keepTried,
  liveFrame,
  samples,
  show,
  switchLive,
  type Tried,
  told,
  tried,
  tryPictures,
} from './tried.ts';
import { Undoable } from './undoable.tsx';
import { PICTURES } from './upload.ts';

export function Try() {
  const m = messages.value.try;
  const isReady = status.value?.answering !== undefined;
  return (
    <section id="try" aria-labelledby="try-heading">
      <div class="heading">
        <h2 id="try-heading">{m.heading}</h2>
        <p>{m.lead}</p>
      </div>
      <div class="flow">
        <Tour at="try" />
        {(isReady || tried.value.length > 0) && <Stage />}
        {isReady ? (
          <>
            <Answer />
            <Constants />
          </>
        ) : (
          <Waiting />
        )}
      </div>
      <Undoable at="try" />
    </section>
  );
}

/** The area that shows the tried picture or the camera. */
function Stage() {
  const m = messages.value.try;
  const picture = current.value;
  return (
    <>
      {isLive.value || picture ? (
        <div class="stage-box">
          {isLive.value ? <Live /> : picture && <Shown key={picture.key} picture={picture} alt={m.picture} />}
        </div>
      ) : (
        <FileLabel class="stage-box empty" accept={PICTURES} onFiles={tryPictures}>
          <Icon name="try" />
          <strong>{isTouch ? m.tap : m.drop}</strong>
        </FileLabel>
      )}
      <div class="actions try-actions">
        <FileLabel class="button" id="try-file" accept={PICTURES} onFiles={tryPictures}>
          <Icon name="pictures" />
          {m.choose}
        </FileLabel>
        <button type="button" aria-pressed={isLive.value} onClick={switchLive}>
          <Icon name="camera" />
          <Either texts={[m.camera, m.stopCamera]} shown={isLive.value ? 1 : 0} />
        </button>
      </div>
      {isLive.value && (
        <div class="actions">
          <CameraChoice />
        </div>
      )}
      {!picture && !isLive.value && <Samples />}
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

/** A tried picture. If the browser does not support its format (HEIC, TIFF), the program's preview is shown. */
function Shown({ picture: { key, url, isBroken }, alt }: { picture: Tried; alt: string }) {
  if (isBroken) return <span class="broken">{messages.value.try.noPreview}</span>;
  return <img src={url} alt={alt} decoding="async" loading="lazy" onError={() => void decodeTried(key)} />;
}

/** Sample pictures that are not examples, as buttons to try them. */
function Samples() {
  const things = samples.value;
  if (things.length === 0) return null;
  return (
    <div>
      <p class="muted">{messages.value.try.samples}</p>
      <ul class="recognised samples">
        {things.map((thing) => (
          <li key={thing}>
            <button type="button" title={thing} onClick={() => void trySample(thing)}>
              <img src={sampleUrl(thing)} alt={thing} />
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}

async function trySample(thing: string): Promise<void> {
  const answer = await fetch(sampleUrl(thing)).catch(() => undefined);
  if (answer?.ok) tryPictures([{ path: `${thing}.png`, file: await answer.blob() }]);
}

/** One of several tried pictures: its answer, and a button that selects it. */
function TriedPicture({ picture }: { picture: Tried }) {
  const { key, name } = picture;
  const answer = answers.value.get(key);
  const isShown = current.value?.key === key;
  const verdict = answer && ('problem' in answer ? '?' : verdictOf(answer.trial.classes[0]!));
  return (
    <li>
      <button type="button" aria-pressed={isShown} title={name} onClick={() => show(key)}>
        <Shown picture={picture} alt={name} />
        <span class="clip">{verdict ?? '…'}</span>
      </button>
    </li>
  );
}

/** Milliseconds between an answer and the next frame, so that the page does not flicker and the program has time for other work. */
const PAUSE = 150;

/** The camera. Its frames are classified one after the other: the next one is taken after the answer to the last. */
function Live() {
  const video = useRef<HTMLVideoElement>(null);
  const { device, isMirrored } = cameraSettings.value;
  useEffect(() => {
    let isOver = false;
    const run = async () => {
      const element = video.current as HTMLVideoElement;
      const close = await openChosenCamera(element);
      try {
        while (!isOver) {
          await askFrame(await grabFrame(element));
          await new Promise((resolve) => setTimeout(resolve, PAUSE));
        }
      } finally {
        close();
      }
    };
    run().catch((error) => {
      if (isOver) return;
      isLive.value = false;
      notify({ kind: 'problem', problem: problemOf(error) });
    });
    return () => {
      isOver = true;
    };
  }, [device]);
  return <video ref={video} class={isMirrored ? 'mirrored' : ''} muted playsInline />;
}

const SHOWN = 5;

/** Whether an answer reaches the rejection threshold. */
const isKnown = ({ probability }: { probability: number }) => probability >= board.value.settings.reject;

/** The name of the answer, or "none of these" if it is below the rejection threshold. */
const verdictOf = (answer: { name: string; probability: number }) =>
  isKnown(answer) ? answer.name : messages.value.try.none;

function Answer() {
  const m = messages.value.try;
  const answer = told.value;
  if (!answer) return null;
  if ('problem' in answer) {
    return (
      <p class="problem" role="status">
        <ProblemText problem={answer.problem} />
      </p>
    );
  }
  const { calibrated, classes, nearest, part, milliseconds } = answer.trial;
  const top = classes[0]!;
  return (
    <>
      <p class="verdict">
        {/* Read aloud when it becomes another one, not with every frame. */}
        <strong role="status">{verdictOf(top)}</strong>
        {isKnown(top) && <span class="muted">{percent(top.probability)}</span>}
      </p>
      {!isKnown(top) && (
        <p class="muted">
          {m.tooUnsure(top.name, percent(top.probability), percent(board.value.settings.reject))}
        </p>
      )}
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
      {!calibrated && <p class="muted small">{m.uncalibrated}</p>}
      <Threshold />
      <TeachIt />
      <div class="part">
        <h3>{m.because}</h3>
        <ul class="nearest">
          {nearest.map(({ hash, className, similarity }) => (
            <li key={hash}>
              <Seeable hash={hash} among={nearest.map((one) => one.hash)} src={thumbnailUrl(hash)} />
              <span class="clip">{className}</span>
              <span class="muted">{similarity > 0 ? m.similar(percent(similarity)) : m.notSimilar}</span>
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

/** Adds the tried picture to a class. From the camera, it adds the frame that was shown when the choice was opened. */
function TeachIt() {
  const m = messages.value.try;
  const picture = current.value;
  const frozen = useRef<Blob | undefined>(undefined);
  if (!picture && !isLive.value) return null;
  return (
    <p class="actions">
      <span class="muted">{m.teachIt}</span>
      <ClassChoice
        label={m.teachIt}
        text={m.aClass}
        except={[]}
        onOpen={() => {
          frozen.current = liveFrame();
        }}
        onChoose={(classId) => {
          if (picture) void keepTried(picture, classId);
          else if (frozen.current) void keepFrame(frozen.current, classId);
        }}
      />
    </p>
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

/** For each class, the parts of the score from its name and from the examples, relative to the lowest class; the largest sum is 100. */
function Parts({ classes, part }: Pick<Trial, 'classes' | 'part'>) {
  const m = messages.value.try;
  const most = Math.max(...classes.map(({ text, examples }) => text + examples), 1e-6);
  const points = (value: number) => (100 * value) / most;
  return (
    <details class="part">
      <summary>{m.why}</summary>
      <p class="muted">{classes.every(({ text }) => text === 0) ? m.examplesAlone : m.whyHint}</p>
      <ul class="bars parts">
        {classes.map(({ id, name, text, examples }) => (
          <li key={id}>
            <span class="clip">{name}</span>
            <span class="bar">
              <i class="from-name" style={{ width: `${points(text)}%` }} />
              <i style={{ width: `${points(examples)}%` }} />
            </span>
            <span class="number">
              {points(text).toFixed(0)} + {points(examples).toFixed(0)}
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
