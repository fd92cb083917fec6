import './style.css';
import type { CanvasPixels } from '../../image/types.ts';
import { pixelsOf, pixelsOfFile } from '../../web/raster.ts';
import type { About, Asked, Told } from '../page-types.ts';
import { takeEmbedded } from './embedded.ts';
import { messages } from './messages.ts';
import PageWorker from './worker.ts?worker&inline';

const about: About = JSON.parse(document.getElementById('about')?.textContent ?? '');
/** Number of bars, for the most probable classes. */
const SHOWN = 10;

function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  properties: Partial<HTMLElementTagNameMap[K]> = {},
  children: readonly (Node | string)[] = [],
): HTMLElementTagNameMap[K] {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

const status = element('p', { className: 'status', role: 'status', textContent: messages.opening });
const input = element('input', {
  type: 'file',
  accept: 'image/*',
  multiple: true,
  id: 'file',
  disabled: true,
});
const camera = element('button', { type: 'button', textContent: messages.camera, disabled: true });
const shown = element('div', { className: 'shown' });
const bars = element('ol', { className: 'bars' });
const place = element('section', { className: 'drop' }, [
  element('p', {}, [
    `${messages.drop} `,
    element('label', { htmlFor: 'file', textContent: messages.choose }),
    input,
  ]),
  camera,
]);
document.body.append(
  element('main', {}, [
    element('h1', { textContent: about.title }),
    place,
    status,
    element('div', { className: 'answer' }, [shown, bars]),
  ]),
  element('footer', {}, [
    ...(about.calibrated ? [] : [element('p', { textContent: messages.uncalibrated })]),
    element('p', { textContent: messages.private }),
    element('p', { textContent: about.origin }),
  ]),
);

/** Pending answers, by the number of their picture. */
const waiting = new Map<number, { resolve(p: Float32Array): void; reject(error: Error): void }>();
let serial = 0;

const worker = new PageWorker();
worker.onmessage = ({ data }: MessageEvent<Told>) => {
  if (data.kind === 'ready') {
    status.textContent = '';
    input.disabled = false;
    camera.disabled = !navigator.mediaDevices;
    document.body.dataset.ready = 'yes';
  } else if (data.kind === 'answer') {
    waiting.get(data.id)?.resolve(data.probabilities);
    waiting.delete(data.id);
  } else {
    const error = new Error(data.reason);
    if (data.id === undefined) status.textContent = `${messages.failed} ${error.message}`;
    else waiting.get(data.id)?.reject(error);
  }
};

const post = (asked: Asked, transfer: Transferable[]) => worker.postMessage(asked, transfer);

const [model, wasm] = [await takeEmbedded('model'), await takeEmbedded('wasm')];
post({ kind: 'open', model, wasm, preprocessing: about.preprocessing }, [model.buffer, wasm.buffer]);

function classify(pixels: CanvasPixels): Promise<Float32Array> {
  const id = serial++;
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject });
    post({ kind: 'classify', id, pixels }, [pixels.data.buffer]);
  });
}

function showAnswer(probabilities: Float32Array): void {
  const ranked = about.labels
    .map((name, c) => ({ name, p: probabilities[c]! }))
    .sort((a, b) => b.p - a.p)
    .slice(0, SHOWN);
  const top = ranked[0]!;
  const rejected = top.p < about.reject;
  const rows = ranked.map(({ name, p }) => {
    const bar = element('meter', { min: 0, max: 1, value: p });
    bar.setAttribute('aria-label', name);
    return element('li', {}, [
      element('span', { className: 'name', textContent: name }),
      bar,
      element('span', { className: 'sure', textContent: `${(100 * p).toFixed(1)}%` }),
    ]);
  });
  bars.replaceChildren(...rows);
  status.textContent = rejected ? messages.none : top.name;
  status.classList.toggle('rejected', rejected);
  // For programs that read the page.
  bars.dataset.probabilities = JSON.stringify(Array.from(probabilities));
}

async function showPicture(file: Blob & { name?: string }): Promise<void> {
  stopCamera();
  bars.replaceChildren();
  delete bars.dataset.probabilities;
  status.textContent = '…';
  const url = URL.createObjectURL(file);
  const picture = element('img', { src: url, alt: file.name ?? '' });
  picture.onload = picture.onerror = () => URL.revokeObjectURL(url);
  shown.replaceChildren(picture);
  try {
    const raster = await pixelsOfFile(file, about.exif).catch((error: Error) => {
      shown.replaceChildren();
      throw new Error(`${messages.unreadable} ${file.name ?? ''} (${error.message})`);
    });
    showAnswer(await classify(raster));
  } catch (error) {
    status.textContent = (error as Error).message;
  }
}

async function showPictures(files: Iterable<File>): Promise<void> {
  for (const file of files) await showPicture(file);
}

input.onchange = () => void showPictures(input.files ?? []);
document.ondragover = (event) => event.preventDefault();
document.ondrop = (event) => {
  event.preventDefault();
  void showPictures(event.dataTransfer?.files ?? []);
};
document.onpaste = (event) => void showPictures(event.clipboardData?.files ?? []);

let stream: MediaStream | undefined;

function stopCamera(): void {
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = undefined;
  camera.textContent = messages.camera;
}

camera.onclick = async () => {
  if (stream) {
    stopCamera();
    shown.replaceChildren();
    return;
  }
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
  } catch (error) {
    status.textContent = `${messages.noCamera} ${(error as Error).message}`;
    return;
  }
  camera.textContent = messages.stop;
  const video = element('video', { muted: true, playsInline: true, srcObject: stream });
  shown.replaceChildren(video);
  await video.play();
  // The next frame is taken after the answer to the one before, so a slow computer shows fewer frames but no old ones.
  while (stream && video.isConnected) {
    if (video.videoWidth > 0)
      showAnswer(await classify(pixelsOf(video, video.videoWidth, video.videoHeight)));
    await new Promise(requestAnimationFrame);
  }
};
