import { signal } from '@preact/signals';
import { type BoardPicture, sameName } from '../board.ts';
import { api, type Kept } from './api.ts';
import { board, notify, perform, tellError } from './store.ts';

/** A file on its way in, with the folders it lay in. */
export interface Incoming {
  readonly path: string;
  readonly file: File | Blob;
}

/** How far what is being brought in is; undefined when nothing is. */
export const bringing = signal<{ readonly done: number; readonly total: number } | undefined>(undefined);

/** Files that are sent at the same time: enough to keep both of the program's decoding threads busy. */
const AT_ONCE = 4;
/** Pictures that come onto the board together, so that a long drop is seen to grow and a crash loses little. */
const TOGETHER = 24;

export interface Target {
  /** Class of every picture; undefined: the folder it lies in says it. */
  readonly classId?: string;
  /** Pictures that belong together. */
  readonly group?: string;
}

/** Keeps the files and puts the pictures among them on the board, in one step for undo. */
export async function bringIn(files: readonly Incoming[], target: Target = {}): Promise<void> {
  const zips = files.filter(({ path }) => /\.zip$/i.test(path));
  const pictures = files.filter((incoming) => !zips.includes(incoming) && !isHidden(incoming.path));
  if (zips.length + pictures.length === 0) return;
  const arrival = new Arrival(target);
  let done = 0;
  const progress = () => {
    bringing.value = { done: ++done, total: zips.length + pictures.length };
  };
  const queue = [...pictures];
  const work = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      arrival.add(await api.keep(next.path, next.file));
      progress();
    }
  };
  try {
    for (const { file } of zips) {
      for (const kept of await api.keepZip(file)) arrival.add(kept);
      progress();
    }
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  } catch (error) {
    tellError(error);
  } finally {
    queue.length = 0;
    arrival.end();
    bringing.value = undefined;
  }
}

/** What systems put beside pictures. */
const isHidden = (path: string) => /(^|\/)\.|(^|\/)(Thumbs\.db|desktop\.ini)$/i.test(path);

/** Gathers what was kept into commands of one step, and remembers what was not. */
class Arrival {
  readonly #target: Target;
  readonly #step = crypto.randomUUID();
  readonly #unreadable: string[] = [];
  #waiting: BoardPicture[] = [];
  #duplicates = 0;

  constructor(target: Target) {
    this.#target = target;
  }

  add(kept: Kept): void {
    if ('problem' in kept) {
      this.#unreadable.push(`${kept.name}: ${kept.problem}`);
      return;
    }
    const { hash, name: path, className } = kept;
    if (board.value.pictures.has(hash) || this.#waiting.some((other) => other.hash === hash)) {
      this.#duplicates++;
      return;
    }
    const parts = path.split('/');
    const { classId = this.#classOf(className ?? parts.at(-2)?.replaceAll('_', ' ')), group = kept.group } =
      this.#target;
    this.#waiting.push({ hash, name: parts.at(-1) ?? path, classId, group });
    if (this.#waiting.length >= TOGETHER) this.#flush();
  }

  end(): void {
    this.#flush();
    if (this.#duplicates > 0) notify({ kind: 'duplicates', count: this.#duplicates });
    if (this.#unreadable.length > 0) {
      notify({ kind: 'unreadable', count: this.#unreadable.length, names: this.#unreadable.slice(0, 5) });
    }
  }

  #flush(): void {
    if (this.#waiting.length === 0) return;
    perform({ do: 'add', pictures: this.#waiting }, this.#step);
    this.#waiting = [];
  }

  /** The class of a name, made where there is none. */
  #classOf(name: string | undefined): string | undefined {
    if (!name) return undefined;
    const known = board.value.classes.find((other) => sameName(other.name, name));
    if (known) return known.id;
    const id = crypto.randomUUID();
    perform({ do: 'add-class', id, name: name.slice(0, 200) }, this.#step);
    return id;
  }
}

/** Everything that was dropped or pasted, folders walked through. */
export async function incomingOf(data: DataTransfer): Promise<Incoming[]> {
  // Entries are only there during the event: all are taken before the first is waited for.
  const entries = [...data.items].flatMap((item) => item.webkitGetAsEntry?.() ?? []);
  if (entries.length === 0) return filesOf(data.files);
  return (await Promise.all(entries.map((entry) => walk(entry, '')))).flat();
}

export function filesOf(files: Iterable<File>): Incoming[] {
  return [...files].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
}

async function walk(entry: FileSystemEntry, folder: string): Promise<Incoming[]> {
  const path = folder ? `${folder}/${entry.name}` : entry.name;
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) =>
      (entry as FileSystemFileEntry).file(resolve, reject),
    );
    return [{ path, file }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: Incoming[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (some.length === 0) return found;
    for (const child of some) found.push(...(await walk(child, path)));
  }
}
