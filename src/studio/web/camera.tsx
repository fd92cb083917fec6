import { signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Either } from './lists.tsx';
import { messages } from './messages.ts';
import { classNames } from './store.ts';
import { type Incoming, uploadPictures } from './upload.ts';

/** The class that pictures are taken of; undefined if the camera is closed. */
export const cameraFor = signal<string | undefined>(undefined);

const FRAME_EVERY = 200;
const LONGEST_SIDE = 640;

/** Opens the camera and shows it in a video element. Returns a function that closes it. */
export async function openCamera(video: HTMLVideoElement): Promise<() => void> {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } } });
  video.srcObject = stream;
  await video.play();
  return () => {
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
  };
}

/** The present frame of the camera, as a JPEG. */
export async function grabFrame(video: HTMLVideoElement): Promise<Blob> {
  const scale = Math.min(1, LONGEST_SIDE / Math.max(video.videoWidth, video.videoHeight));
  const canvas = document.createElement('canvas');
  canvas.width = Math.round(video.videoWidth * scale);
  canvas.height = Math.round(video.videoHeight * scale);
  canvas.getContext('2d')?.drawImage(video, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) =>
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('No frame'))), 'image/jpeg', 0.9),
  );
}

/** A burst: the pictures taken while the button is held, or from one press to the next. */
interface Burst {
  readonly frames: Promise<Incoming>[];
  readonly timer: number;
  readonly group: string;
}

/**
 * Takes bursts of pictures of one class. The pictures of one press are one burst. A person who cannot hold the button, or whose device
 * can only activate it, starts a burst by activating the button, and ends it by activating it again.
 */
export function Camera() {
  const m = messages.value;
  const classId = cameraFor.value as string;
  const dialog = useRef<HTMLDialogElement>(null);
  const video = useRef<HTMLVideoElement>(null);
  const [isDenied, setDenied] = useState(false);
  const [taken, setTaken] = useState(0);
  const [isOn, setOn] = useState(false);
  const burst = useRef<Burst | undefined>(undefined);
  /** Whether a pointer pressed the button. The click event that follows is then ignored. */
  const isPressed = useRef(false);

  useEffect(() => {
    dialog.current?.showModal();
    const opened = openCamera(video.current as HTMLVideoElement);
    opened.catch(() => setDenied(true));
    return () => void opened.then((close) => close()).catch(() => {});
  }, []);

  const snap = () => {
    const { frames, group } = burst.current as Burst;
    const element = video.current as HTMLVideoElement;
    // The camera may not be ready yet.
    if (element.videoWidth === 0) return;
    const path = `${group}-${frames.length + 1}.jpg`;
    frames.push(grabFrame(element).then((file) => ({ path, file })));
    setTaken((count) => count + 1);
  };
  const begin = () => {
    if (burst.current || isDenied) return;
    const group = `camera ${new Date().toISOString().slice(0, 19).replace('T', ' ')}`;
    burst.current = { frames: [], timer: window.setInterval(snap, FRAME_EVERY), group };
    setOn(true);
    snap();
  };
  const end = () => {
    const current = burst.current;
    if (!current) return;
    burst.current = undefined;
    setOn(false);
    clearInterval(current.timer);
    void Promise.all(current.frames)
      .then((frames) => uploadPictures(frames, { classId, group: current.group }))
      .catch(() => setDenied(true));
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
      <h2 id="camera-heading">{m.camera.heading(classNames.value.get(classId) ?? '')}</h2>
      <video ref={video} muted playsInline />
      {isDenied ? (
        <p class="problem">{m.camera.denied}</p>
      ) : (
        <p class="muted">
          {m.camera.hint} {m.camera.toggle}
        </p>
      )}
      <div class="actions">
        <button
          type="button"
          class="primary large"
          disabled={isDenied}
          onPointerDown={({ button, currentTarget, pointerId }) => {
            if (button !== 0) return;
            isPressed.current = true;
            // The pointer is captured, so that its release is reported here wherever it is.
            currentTarget.setPointerCapture(pointerId);
            if (burst.current) end();
            else begin();
          }}
          onLostPointerCapture={end}
          onKeyDown={(event) => {
            if (event.key === ' ') begin();
            // A key that is held repeats its event.
            if (event.repeat) event.preventDefault();
          }}
          onKeyUp={(event) => {
            if (event.key !== ' ') return;
            // Without this, the key would also cause a click.
            event.preventDefault();
            end();
          }}
          onClick={({ detail }) => {
            const isAfterPress = isPressed.current && detail > 0;
            isPressed.current = false;
            if (isAfterPress) return;
            if (burst.current) end();
            else begin();
          }}
        >
          <Either texts={[m.camera.hold, m.camera.stop]} shown={isOn ? 1 : 0} />
        </button>
        <span class="muted" role="status">
          {taken > 0 && m.camera.taken(taken)}
        </span>
        <button type="button" onClick={() => dialog.current?.close()}>
          {m.camera.done}
        </button>
      </div>
    </dialog>
  );
}
