import { signal } from '@preact/signals';
import { place } from './selection.ts';
import { notify } from './store.ts';
import { tryPictures } from './tried.ts';
import { incomingOf, uploadPictures } from './upload.ts';

/** Data type of pictures that are dragged within the page, as hashes. */
export const DRAGGED = 'application/x-tip-adapter-pictures';

/** The target of a drag: the whole page accepts files, and a class accepts pictures of the board too. */
export interface DropTarget {
  readonly part: 'collect' | 'try';
  /** The class under the pointer; `''` for unsorted pictures. */
  readonly classId?: string;
  readonly what: 'files' | 'pictures';
}

export const dropTarget = signal<DropTarget | undefined>(undefined);

/** The present target of a drag. */
export const dropClass = (): string | undefined => dropTarget.value?.classId;

/** Tracks drags over the page, and accepts drops anywhere on it. */
export function followDrags(stop: AbortSignal): void {
  const on = (name: 'dragover' | 'dragleave' | 'dragend' | 'drop', heard: (event: DragEvent) => void) =>
    document.addEventListener(name, heard, { signal: stop });
  on('dragover', (event) => {
    event.preventDefault();
    const target = targetOf(event);
    // The event fires many times a second, so the page renders only if the target changes.
    if (JSON.stringify(target) !== JSON.stringify(dropTarget.value)) dropTarget.value = target;
  });
  const end = () => {
    dropTarget.value = undefined;
  };
  on('dragleave', ({ relatedTarget }) => relatedTarget === null && end());
  on('dragend', end);
  on('drop', (event) => {
    event.preventDefault();
    const target = targetOf(event);
    end();
    if (target && event.dataTransfer) void take(event.dataTransfer, target);
  });
}

function targetOf({ target, dataTransfer }: DragEvent): DropTarget | undefined {
  const element = target instanceof Element ? target : document.body;
  const classId = element.closest<HTMLElement>('[data-class]')?.dataset.class;
  if (dataTransfer?.types.includes(DRAGGED)) return { part: 'collect', classId, what: 'pictures' };
  return { part: element.closest('#try') ? 'try' : 'collect', classId, what: 'files' };
}

async function take(data: DataTransfer, { part, classId, what }: DropTarget): Promise<void> {
  if (what === 'pictures') {
    const hashes = JSON.parse(data.getData(DRAGGED)) as string[];
    if (classId !== undefined) place(hashes, classId || undefined, 'collect');
    return;
  }
  const files = await incomingOf(data);
  if (files.length === 0) notify({ kind: 'nothing' });
  else if (part === 'try') tryPictures(files);
  else await uploadPictures(files, { classId: classId || undefined });
}
