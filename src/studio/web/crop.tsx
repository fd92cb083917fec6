import { ApiError, api } from './api.ts';
import { messages } from './messages.ts';
import { board, perform, saved } from './store.ts';

/** A part of a picture, as shares of its width and height. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** The largest square in the middle. */
export function squareOf({ naturalWidth: wide, naturalHeight: high }: HTMLImageElement): Box {
  const side = Math.min(wide, high);
  return {
    x: (wide - side) / 2 / wide,
    y: (high - side) / 2 / high,
    width: side / wide,
    height: side / high,
  };
}

/** Shares by which an arrow key moves or resizes the box. */
const STEP = 0.02;
const LEAST = 0.05;
const STEPS: ReadonlyMap<string, readonly [dx: number, dy: number]> = new Map([
  ['ArrowLeft', [-STEP, 0]],
  ['ArrowRight', [STEP, 0]],
  ['ArrowUp', [0, -STEP]],
  ['ArrowDown', [0, STEP]],
]);
const within = (value: number, most: number) => Math.min(most, Math.max(0, value));

/** A box over a picture. The pointer draws it, arrow keys move it, and arrow keys with Shift resize it. */
export function CropBox({ box, onBox }: { box: Box; onBox(box: Box): void }) {
  const percent = (share: number) => `${100 * share}%`;
  const draw = (event: PointerEvent & { currentTarget: HTMLElement }) => {
    const area = event.currentTarget;
    area.setPointerCapture(event.pointerId);
    const { left, top, width, height } = area.getBoundingClientRect();
    const at = ({ clientX, clientY }: PointerEvent): readonly [number, number] => [
      within((clientX - left) / width, 1),
      within((clientY - top) / height, 1),
    ];
    const [fromX, fromY] = at(event);
    const follow = (moved: PointerEvent) => {
      const [x, y] = at(moved);
      if (Math.abs(x - fromX) < LEAST || Math.abs(y - fromY) < LEAST) return;
      onBox({
        x: Math.min(x, fromX),
        y: Math.min(y, fromY),
        width: Math.abs(x - fromX),
        height: Math.abs(y - fromY),
      });
    };
    area.addEventListener('pointermove', follow);
    area.addEventListener('lostpointercapture', () => area.removeEventListener('pointermove', follow), {
      once: true,
    });
  };
  const press = (event: KeyboardEvent) => {
    const step = STEPS.get(event.key);
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const [dx, dy] = step;
    if (event.shiftKey) {
      const width = Math.max(LEAST, Math.min(1 - box.x, box.width + dx));
      onBox({ ...box, width, height: Math.max(LEAST, Math.min(1 - box.y, box.height + dy)) });
    } else onBox({ ...box, x: within(box.x + dx, 1 - box.width), y: within(box.y + dy, 1 - box.height) });
  };
  return (
    <div class="crop-area" onPointerDown={draw}>
      <div
        class="crop-box"
        role="img"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: arrow keys move it.
        tabIndex={0}
        aria-label={messages.value.preview.cropHint}
        onKeyDown={press}
        style={{
          left: percent(box.x),
          top: percent(box.y),
          width: percent(box.width),
          height: percent(box.height),
        }}
      />
    </div>
  );
}

/** Replaces a picture by a part of it, in one step for undo. Resolves with the hash of the part. */
export async function cropPicture(
  hash: string,
  image: HTMLImageElement,
  box: Box,
): Promise<string | undefined> {
  const picture = board.value.pictures.get(hash);
  if (!picture) return undefined;
  const canvas = document.createElement('canvas');
  const { naturalWidth: wide, naturalHeight: high } = image;
  canvas.width = Math.max(1, Math.round(box.width * wide));
  canvas.height = Math.max(1, Math.round(box.height * high));
  const { width, height } = canvas;
  const context = canvas.getContext('2d') as CanvasRenderingContext2D;
  // A JPEG has no transparency, and would be black there.
  context.fillStyle = '#ffffff';
  context.fillRect(0, 0, width, height);
  context.drawImage(image, box.x * wide, box.y * high, width, height, 0, 0, width, height);
  const part = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/jpeg', 0.95));
  if (!part) return undefined;
  const kept = await api.keep(picture.name, part);
  if ('problem' in kept) throw new ApiError(400, kept.problem);
  const step = crypto.randomUUID();
  perform({ do: 'discard', hashes: [hash] }, step);
  perform({ do: 'add', pictures: [{ ...picture, hash: kept.hash }] }, step);
  await saved();
  await api.settle?.([kept.hash]);
  return kept.hash;
}
