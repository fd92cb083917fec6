import { computed, signal } from '@preact/signals';
import { isHidden, isLeftover } from '../../dataset/leftovers.ts';
import { type BoardPicture, sameName } from '../board.ts';
import { keptClassName, keptPicture } from '../limits.ts';
import { type PathLabel, pathLabels } from '../path-labels.ts';
import { ApiError, api, type HeldOut, type Kept, type Problem } from './api.ts';
import { answering, board, notify, perform, saved, tellError } from './store.ts';

/** File types for the file dialog. Browsers know HEIC, TIFF, JPEG XL and PPM only by their extensions. */
export const PICTURES = 'image/*,.heic,.heif,.tif,.tiff,.jxl,.ppm,.pgm';
export const COLLECTED = `${PICTURES},.zip`;

/** A file to import, with the path of its folders. */
export interface Incoming {
  readonly path: string;
  readonly file: File | Blob;
}

/** The progress of all imports. */
const coming = signal({ done: 0, total: 0 });
/** The progress of all imports; undefined if none is running. */
export const bringing = computed(() => (coming.value.total > 0 ? coming.value : undefined));

/** Number of files that are sent at the same time, enough to keep the program's decoders busy. */
const AT_ONCE = 4;
/** Number of pictures that are put on the board together, so that a long import shows progress and a crash loses little. */
const TOGETHER = 24;

export interface Target {
  /** Class of every picture; undefined if the folders determine the classes. */
  readonly classId?: string;
  /** Group of the pictures, for a burst. */
  readonly group?: string;
}

/**
 * Stores the files and puts their pictures on the board, in one step for undo. A refused file is reported, and the others are
 * imported. While the program does not answer, the files wait.
 */
export async function uploadPictures(files: readonly Incoming[], target: Target = {}): Promise<void> {
  const shown = files.filter(({ path }) => !isPassedOver(path));
  if (shown.length === 0) return;
  const arrival = new Arrival(target);
  const labels = pathLabels(shown.map(({ path }) => path));
  const wanted = shown.filter(({ path }) => arrival.wants(labels.get(path)));
  coming.value = { done: coming.value.done, total: coming.value.total + wanted.length };
  const sorted = inTurn(wanted);
  const arrived = new Map<number, (Kept | HeldOut)[]>();
  let [taken, added] = [0, 0];
  const work = async () => {
    while (taken < sorted.length) {
      const at = taken++;
      arrived.set(at, await keep(sorted[at]!, arrival));
      for (let kept = arrived.get(added); kept; kept = arrived.get(added)) {
        arrived.delete(added++);
        arrival.addAll(kept, isZip(sorted[added - 1]!.path) ? undefined : labels);
      }
      coming.value = { ...coming.value, done: coming.value.done + 1 };
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  arrival.end();
  // The number of pictures to embed is known only when the program has the changes.
  await saved();
  await api.settle?.(arrival.claimed).catch(tellError);
  if (coming.value.done === coming.value.total) coming.value = { done: 0, total: 0 };
}

/** The result of a file: one picture, the pictures of a zip, or a problem with the file's name. */
async function keep({ path: name, file }: Incoming, arrival: Arrival): Promise<(Kept | HeldOut)[]> {
  for (;;) {
    if (arrival.full) return [{ name, problem: arrival.full }];
    try {
      if (isZip(name)) return arrival.claim(await api.keepZip(name, file));
      const hash = await hashOf(file);
      return arrival.knows(hash) ? [{ name, hash }] : arrival.claim([await api.keep(name, file)]);
    } catch (error) {
      if (error instanceof ApiError) {
        if (error.problem.code === 'studio/quota') arrival.full = error.problem;
        return [{ name, problem: error.problem }];
      }
      // A file that the browser can no longer read causes the same error as a program that does not answer.
      if (await api.isThere())
        return [{ name, problem: { code: 'file', message: (error as Error).message } }];
      tellError(error);
      await answering();
    }
  }
}

/** The hash by which the board knows a picture. */
export async function hashOf(file: Blob): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await file.arrayBuffer()));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * Orders files so that each folder gives one file in turn, with folders and files in the order of their names. Classes thus appear in
 * alphabetical order, and the first hundred pictures, which the first classifier learns from, are of all classes.
 */
function inTurn(files: readonly Incoming[]): Incoming[] {
  const folders = new Map<string, Incoming[]>();
  for (const file of files.toSorted((a, b) => collator.compare(a.path, b.path))) {
    const folder = file.path.split('/').slice(0, -1).join('/');
    const own = folders.get(folder) ?? [];
    own.push(file);
    folders.set(folder, own);
  }
  return [...folders.values()]
    .flatMap((own) => own.map((file, turn) => ({ file, turn })))
    .toSorted((a, b) => a.turn - b.turn)
    .map(({ file }) => file);
}

const collator = new Intl.Collator(undefined, { numeric: true });

const isZip = (path: string) => /\.zip$/i.test(path);

/** Whether a file is hidden, or one that systems and tools put beside pictures. */
const isPassedOver = (path: string) => path.split('/').some((name) => isLeftover(name) || isHidden(name));

type Unreadable = Extract<Kept, { problem: unknown }>;

/** Collects stored pictures into commands of one step, and the problems of the others. */
class Arrival {
  readonly #target: Target;
  readonly #step = crypto.randomUUID();
  readonly #unreadable: Unreadable[] = [];
  #waiting: BoardPicture[] = [];
  #duplicates = 0;
  #heldOut = 0;
  /** The problem of a storage that has no more room. The remaining files are not tried, so that later changes can still be written. */
  full?: Problem;
  /** The hash of each picture that was sent, once for each time. Some of them are not put on the board: duplicates, and those held out. */
  readonly claimed: string[] = [];

  constructor(target: Target) {
    this.#target = target;
  }

  /** Whether a picture with that label is put on the board. A held-out picture is not, unless the person chose the class. */
  wants(label: PathLabel | undefined): boolean {
    const isWanted = this.#target.classId !== undefined || !label?.isHeldOut;
    if (!isWanted) this.#heldOut++;
    return isWanted;
  }

  /** Remembers pictures that were sent, until they can be settled. */
  claim<T extends Kept | HeldOut>(kept: T[]): T[] {
    for (const one of kept) if ('hash' in one) this.claimed.push(one.hash);
    return kept;
  }

  /** Adds pictures with the labels of their paths. Pictures of a zip have labels of their own. */
  addAll(
    kept: readonly (Kept | HeldOut)[],
    labels = pathLabels(kept.filter((one) => 'hash' in one).map(({ name }) => name)),
  ): void {
    for (const one of kept) {
      if ('isHeldOut' in one) this.#heldOut++;
      else {
        const label = 'className' in one ? { className: one.className } : labels.get(one.name);
        if (this.wants(label)) this.#add(one, label);
      }
    }
  }

  #add(kept: Kept, label: PathLabel | undefined): void {
    if ('problem' in kept) {
      this.#unreadable.push(kept);
      return;
    }
    const { hash, name: path } = kept;
    if (this.knows(hash)) {
      this.#duplicates++;
      return;
    }
    const { classId = this.#classOf(label?.className), group = kept.group } = this.#target;
    this.#waiting.push(keptPicture({ hash, name: path.split('/').at(-1) ?? path, classId, group }));
    if (this.#waiting.length >= TOGETHER) this.#flush();
  }

  /** Whether a picture is on the board or among the collected ones. */
  knows(hash: string): boolean {
    return board.value.pictures.has(hash) || this.#waiting.some((other) => other.hash === hash);
  }

  end(): void {
    this.#flush();
    if (this.#heldOut > 0) notify({ kind: 'held-out', count: this.#heldOut });
    if (this.#duplicates > 0) notify({ kind: 'duplicates', count: this.#duplicates });
    if (this.#unreadable.length > 0) {
      notify({ kind: 'unreadable', count: this.#unreadable.length, files: this.#unreadable });
    }
  }

  #flush(): void {
    if (this.#waiting.length === 0) return;
    perform({ do: 'add', pictures: this.#waiting }, this.#step);
    this.#waiting = [];
  }

  /** The class of a name. It is made if it does not exist. */
  #classOf(given = ''): string | undefined {
    const name = keptClassName(given);
    if (!name) return undefined;
    const known = board.value.classes.find((other) => sameName(other.name, name));
    if (known) return known.id;
    const id = crypto.randomUUID();
    perform({ do: 'add-class', id, name }, this.#step);
    return id;
  }
}

/** All dropped or pasted files, with those in folders. */
export async function incomingOf(data: DataTransfer): Promise<Incoming[]> {
  // Entries can be read only during the event, so all are taken before the first wait.
  const entries = [...data.items].flatMap((item) => item.webkitGetAsEntry?.() ?? []);
  if (entries.length === 0) return filesOf(data.files);
  return (await Promise.all(entries.map((entry) => walk(entry, '')))).flat();
}

export function filesOf(files: Iterable<File>): Incoming[] {
  return [...files].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
}

/** A file or folder that the browser may not read becomes an empty file, which is then reported as empty. */
async function walk(entry: FileSystemEntry, folder: string): Promise<Incoming[]> {
  const path = folder ? `${folder}/${entry.name}` : entry.name;
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) =>
      (entry as FileSystemFileEntry).file(resolve, reject),
    ).catch(() => new Blob());
    return [{ path, file }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: Incoming[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    ).catch(() => {
      found.push({ path, file: new Blob() });
      return [];
    });
    if (some.length === 0) return found;
    for (const child of some) found.push(...(await walk(child, path)));
  }
}
