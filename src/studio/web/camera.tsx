import { signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { problemOf } from '../status.ts';
import { api, type Problem } from './api.ts';
import { BurstChoice, CameraChoice } from './camera-settings.tsx';
import { burstName, cameraSettings, grabFrame, openChosenCamera, TIMERS } from './camera-source.ts';
import { Icon } from './icons.tsx';
import { Either } from './lists.tsx';
import { messages } from './messages.ts';
import { ProblemText } from './notices.tsx';
import { phoneFor } from './phone.tsx';
import { classNames, notify } from './store.ts';
import { hashOf, type Incoming, uploadPictures } from './upload.ts';

/** The class that pictures are taken of; undefined if the camera is closed. */
export const cameraFor = signal<string | undefined>(undefined);

/** A burst: the pictures taken while the button is held, from one press to the next, or for a time. */
interface Burst {
  readonly timers: number[];
  readonly group: string;
  /** The pictures so far. A frame that is the same as the one before is left out: the camera is slower than the rate. */
  pictures: Promise<readonly Incoming[]>;
}

/**
 * Takes bursts of pictures of one class. The pictures of one press are one burst. A person who cannot hold the button, or whose device
 * can only activate it, starts a burst by activating the button, and ends it by activating it again. With a timer, a press begins a
 * countdown, and the burst ends by itself.
 */
export function Camera() {
  const m = messages.value.camera;
  const classId = cameraFor.value as string;
  const dialog = useRef<HTMLDialogElement>(null);
  const video = useRef<HTMLVideoElement>(null);
  const [problem, setProblem] = useState<Problem | undefined>(undefined);
  const [taken, setTaken] = useState(0);
  const [isOn, setOn] = useState(false);
  const [countdown, setCountdown] = useState(0);
  const burst = useRef<Burst | undefined>(undefined);
  /** Whether a pointer pressed the button. The click event that follows is then ignored. */
  const isPressed = useRef(false);
  const { device, isMirrored, rate, timer } = cameraSettings.value;
  const { delay, length } = TIMERS[timer]!;
  const isTimed = delay > 0;

  useEffect(() => dialog.current?.showModal(), []);
  useEffect(() => {
    const opened = openChosenCamera(video.current as HTMLVideoElement);
    opened.then(
      () => setProblem(undefined),
      (error) => setProblem(problemOf(error)),
    );
    return () => void opened.then((close) => close()).catch(() => {});
  }, [device]);

  const snap = () => {
    const current = burst.current as Burst;
    const element = video.current as HTMLVideoElement;
    // The camera may not be ready yet.
    if (element.videoWidth === 0) return;
    // A frame that the browser cannot read becomes an empty file, which is then reported as empty.
    const frame = grabFrame(element).catch(() => new Blob());
    current.pictures = current.pictures.then(async (pictures) => {
      const file = await frame;
      const last = pictures.at(-1)?.file;
      if (last && (await hashOf(last)) === (await hashOf(file))) return pictures;
      if (file.size > 0) setTaken((count) => count + 1);
      return [...pictures, { path: `${current.group}-${pictures.length + 1}.jpg`, file }];
    });
  };
  const begin = () => {
    if (burst.current || problem) return;
    const timers: number[] = [];
    burst.current = { timers, group: burstName(), pictures: Promise.resolve([]) };
    setOn(true);
    const after = (seconds: number, act: () => void) => timers.push(window.setTimeout(act, 1000 * seconds));
    const take = () => {
      snap();
      timers.push(window.setInterval(snap, 1000 / rate));
    };
    if (!isTimed) return take();
    for (let left = delay; left > 0; left--) after(delay - left, () => setCountdown(left));
    after(delay, () => {
      setCountdown(0);
      take();
    });
    after(delay + length, end);
  };
  const end = () => {
    const current = burst.current;
    if (!current) return;
    burst.current = undefined;
    setOn(false);
    setCountdown(0);
    for (const each of current.timers) clearTimeout(each);
    void current.pictures
      .then((pictures) => uploadPictures(pictures, { classId, group: current.group }))
      .catch((error) => notify({ kind: 'problem', problem: problemOf(error) }));
  };
  const toggle = () => (burst.current ? end() : begin());
  const release = () => {
    if (!isTimed) end();
  };
  return (
    <dialog
      ref={dialog}
      class="camera"
      aria-labelledby="camera-heading"
      onClose={() => {
        end();
        cameraFor.value = undefined;
      }}
    >
      <h2 id="camera-heading">{m.heading(classNames.value.get(classId) ?? '')}</h2>
      <div class="viewfinder">
        <video ref={video} class={isMirrored ? 'mirrored' : ''} muted playsInline />
        <strong role="status">{countdown > 0 && countdown}</strong>
      </div>
      {problem ? (
        <p class="problem" role="alert">
          <ProblemText problem={problem} />
        </p>
      ) : (
        <p class="muted">
          {m.hint} {isTimed ? m.timed : m.toggle}
        </p>
      )}
      <div class="actions">
        <CameraChoice />
        <BurstChoice isDisabled={isOn} />
        {api.hasProgram && (
          <button
            type="button"
            class="last"
            onClick={() => {
              dialog.current?.close();
              phoneFor.value = classId;
            }}
          >
            <Icon name="phone" />
            {messages.value.phone.use}
          </button>
        )}
      </div>
      <div class="actions">
        <button
          type="button"
          class="primary large"
          disabled={problem !== undefined}
          onPointerDown={({ button, currentTarget, pointerId }) => {
            if (button !== 0) return;
            isPressed.current = true;
            // The pointer is captured, so that its release is reported here wherever it is.
            currentTarget.setPointerCapture(pointerId);
            toggle();
          }}
          onLostPointerCapture={release}
          onKeyDown={(event) => {
            if (event.key === ' ') {
              if (!event.repeat && isTimed) toggle();
              else begin();
            }
            // A key that is held repeats its event.
            if (event.repeat) event.preventDefault();
          }}
          onKeyUp={(event) => {
            if (event.key !== ' ') return;
            // Without this, the key would also cause a click.
            event.preventDefault();
            release();
          }}
          onClick={({ detail }) => {
            const isAfterPress = isPressed.current && detail > 0;
            isPressed.current = false;
            if (!isAfterPress) toggle();
          }}
        >
          <Either texts={[m.hold, m.start, m.stop]} shown={isOn ? 2 : Number(isTimed)} />
        </button>
        <span class="muted" role="status">
          {taken > 0 && m.taken(taken)}
        </span>
        <button type="button" onClick={() => dialog.current?.close()}>
          {m.done}
        </button>
      </div>
    </dialog>
  );
}
