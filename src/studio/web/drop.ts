import { signal } from '@preact/signals';
import { notify, perform } from './store.ts';
import { tryPictures } from './tried.ts';
import { incomingOf, uploadPictures } from './upload.ts';

/** Type of what is dragged inside the page: the hashes of pictures. */
export const DRAGGED = 'application/x-tip-adapter-pictures';

/** Where what is dragged would go: the whole page takes files, a class takes pictures of the board as well. */
export interface DropTarget {
  readonly part: 'collect' | 'try';
  /** The class under the pointer; `''` is what is not sorted yet. */
  readonly classId?: string;
  readonly what: 'files' | 'pictures';
}

export const dropTarget = signal<DropTarget | undefined>(undefined);

/** The class that something is dragged over. */
export const dropClass = (): string | undefined => dropTarget.value?.classId;

/** Follows what is dragged over the page, and takes what is dropped anywhere on it. */
export function followDrags(stop: AbortSignal): void {
  const on = (name: 'dragover' | 'dragleave' | 'dragend' | 'drop', heard: (event: DragEvent) => void) =>
    document.addEventListener(name, heard, { signal: stop });
  on('dragover', (event) => {
    event.preventDefault();
    const target = targetOf(event);
    // It is told many times a second: only what changes is worth a render.
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
    if (classId !== undefined) perform({ do: 'place', hashes, classId: classId || undefined });
    return;
  }
  const files = await incomingOf(data);
  if (files.length === 0) notify({ kind: 'nothing' });
  else if (part === 'try') tryPictures(files);
  else await uploadPictures(files, { classId: classId || undefined });
}
