import { effect, signal } from '@preact/signals';
import { openCamera } from '../../web/camera.ts';

/** Pictures per second. */
export const RATES = [2, 5, 10] as const;

/** Start and length of a burst in seconds. The first entry records while the button is held. */
export const TIMERS = [
  { delay: 0, length: Number.POSITIVE_INFINITY },
  { delay: 3, length: 5 },
  { delay: 10, length: 10 },
] as const;

const KEY = 'tip-adapter.camera';

interface CameraSettings {
  /** The browser's id of a camera. With '' the browser chooses. */
  readonly device: string;
  /** Whether the camera is shown mirrored. The pictures are never mirrored. */
  readonly isMirrored: boolean;
  readonly rate: number;
  /** Index in `TIMERS`. */
  readonly timer: number;
}

const PRESET: CameraSettings = { device: '', isMirrored: true, rate: 5, timer: 0 };

/** The choices that the browser has kept, if they still exist. */
function kept(): CameraSettings {
  let found: Partial<Record<keyof CameraSettings, unknown>>;
  try {
    found = JSON.parse(localStorage.getItem(KEY) ?? '{}');
  } catch {
    return PRESET;
  }
  const { device, isMirrored, rate, timer } = found;
  return {
    device: typeof device === 'string' ? device : PRESET.device,
    isMirrored: typeof isMirrored === 'boolean' ? isMirrored : PRESET.isMirrored,
    rate: RATES.find((known) => known === rate) ?? PRESET.rate,
    timer: typeof timer === 'number' && timer in TIMERS ? timer : PRESET.timer,
  };
}

export const cameraSettings = signal(kept());
effect(() => localStorage.setItem(KEY, JSON.stringify(cameraSettings.value)));

export function setCamera(change: Partial<CameraSettings>): void {
  cameraSettings.value = { ...cameraSettings.value, ...change };
}

/** The cameras of this computer. The browser lists them only after one may be used. */
export const cameras = signal<readonly { readonly id: string; readonly label: string }[]>([]);

/** Opens the chosen camera and shows it in a video element. Returns a function that closes it. Throws as `openCamera` of `tip-adapter/web`. */
export async function openChosenCamera(video: HTMLVideoElement): Promise<() => void> {
  const { device } = cameraSettings.peek();
  const ask = (deviceId?: { exact: string }) => openCamera({ width: { ideal: 1280 }, deviceId }, video);
  const askAny = (error: { code?: string }) => {
    // If the chosen camera is gone, the browser chooses one.
    if (device && error.code === 'web/camera-missing') return ask();
    throw error;
  };
  const { close } = await ask(device ? { exact: device } : undefined).catch(askAny);
  const devices = await navigator.mediaDevices.enumerateDevices().catch((error) => {
    close();
    throw error;
  });
  cameras.value = devices
    .filter(({ kind }) => kind === 'videoinput')
    .map(({ deviceId: id, label }) => ({ id, label }));
  return close;
}

const LONGEST_SIDE = 640;

/** The current frame of the camera as a JPEG. */
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

/** The name of a burst that begins now. */
export const burstName = () => `camera ${new Date().toISOString().slice(0, 19).replace('T', ' ')}`;
