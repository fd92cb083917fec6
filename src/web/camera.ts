import { DataError, type TipAdapterError, UsageError } from '../errors.ts';
import { loadMessages, translated } from './messages.ts';

/** A camera that shows its picture in a video element, which `predictLive` reads. */
export interface Camera {
  readonly video: HTMLVideoElement;
  close(): void;
}

/** Reasons of `getUserMedia`, with the codes of our errors. */
const REASONS: Readonly<Record<string, readonly [code: string, message: string, hint: string]>> = {
  NotAllowedError: [
    'web/camera-refused',
    'The camera may not be used',
    'Allow the camera for this page in the browser, then try again.',
  ],
  NotFoundError: ['web/camera-missing', 'There is no camera', 'Connect a camera, then try again.'],
  OverconstrainedError: [
    'web/camera-missing',
    'No camera has what was asked for',
    'Ask for less, or connect another camera.',
  ],
  NotReadableError: [
    'web/camera-busy',
    'The camera is used by another program',
    'Close the other program, then try again.',
  ],
};

/** Opens a camera. Throws `DataError` `web/camera-refused`, `web/camera-missing` or `web/camera-busy`, and `UsageError` `web/insecure`. */
export async function openCamera(
  wanted: MediaTrackConstraints = { facingMode: 'environment' },
  video: HTMLVideoElement = document.createElement('video'),
): Promise<Camera> {
  await loadMessages();
  if (!navigator.mediaDevices)
    throw failure(
      UsageError,
      'web/insecure',
      'The browser gives no camera to a page without https',
      'Open the page by https or on localhost.',
    );
  const stream = await navigator.mediaDevices.getUserMedia({ video: wanted }).catch((cause: Error) => {
    const [code, message, hint] = REASONS[cause.name] ?? [
      'web/camera-busy',
      `The camera cannot be opened: ${cause.message}`,
      'Try again, or use another camera.',
    ];
    throw failure(DataError, code, message, hint, cause);
  });
  const close = () => {
    for (const track of stream.getTracks()) track.stop();
    // The element may show another camera meanwhile.
    if (video.srcObject === stream) video.srcObject = null;
  };
  Object.assign(video, { muted: true, playsInline: true, srcObject: stream });
  await video.play().catch((cause: Error) => {
    close();
    throw failure(
      DataError,
      'web/camera-busy',
      `The camera cannot be shown: ${cause.message}`,
      'Try again.',
      cause,
    );
  });
  return { video, close };
}

function failure(
  Kind: typeof DataError | typeof UsageError,
  code: string,
  message: string,
  hint: string,
  cause?: unknown,
): TipAdapterError {
  const own = translated(code, {});
  return new Kind(own ?? message, { code, hint: own === undefined ? hint : undefined, cause });
}
