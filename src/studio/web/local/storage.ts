import { DataError } from '../../../errors.ts';
import { ask } from './handles.ts';

/** The part of a file's handle that only workers have, and the DOM's types lack. */
interface WorkerFileHandle extends FileSystemFileHandle {
  createSyncAccessHandle(): Promise<AccessHandle>;
  move(name: string): Promise<void>;
}

/** An open file, which no other worker can open. */
export interface AccessHandle {
  getSize(): number;
  write(bytes: Uint8Array, options: { at: number }): number;
  truncate(size: number): void;
  flush(): void;
  close(): void;
}

/** A folder in the browser's origin private file system. Folders and files are made when they are first written. */
export interface StoredFolder {
  folder(name: string): StoredFolder;
  /** A file; undefined if there is none. */
  file(name: string): Promise<File | undefined>;
  names(): Promise<string[]>;
  /**
   * Writes a file. It is on the disk when this resolves. If it cannot be written, there is no file afterwards. A file whose writing was
   * interrupted may be shorter.
   */
  write(name: string, bytes: Uint8Array): Promise<void>;
  /** Replaces a file at once: a reader sees the old one or the new one. */
  replace(name: string, bytes: Uint8Array): Promise<void>;
  /** Opens a file for writing. */
  open(name: string): Promise<AccessHandle>;
  /** Removes a file, or a folder with all that is in it, if it exists. */
  remove(name: string): Promise<void>;
}

/** The folder of the origin private file system at a path. */
export function storedFolder(path: readonly string[]): StoredFolder {
  let opened: Promise<FileSystemDirectoryHandle> | undefined;
  const root = () => navigator.storage.getDirectory();
  const open = (create: boolean) =>
    path.reduce(
      async (parent, name) => ask(await parent, (folder) => folder.getDirectoryHandle(name, { create })),
      root(),
    ) as Promise<FileSystemDirectoryHandle>;
  const existing = () => open(false).catch(unlessMissing);
  const made = () => {
    opened ??= open(true);
    return opened;
  };
  const handle = async (name: string) =>
    (await ask(await made(), (folder) => folder.getFileHandle(name, { create: true }))) as WorkerFileHandle;
  const access = async (name: string) => ask(await handle(name), (file) => file.createSyncAccessHandle());
  const remove = async (name: string) => {
    const folder = await existing();
    if (folder) await ask(folder, () => folder.removeEntry(name, { recursive: true })).catch(unlessMissing);
  };
  const write = (name: string, bytes: Uint8Array) =>
    named(async () => {
      const file = await access(name);
      try {
        file.truncate(0);
        writeAll(file, bytes, 0);
        file.close();
      } catch (error) {
        file.close();
        await remove(name);
        throw error;
      }
    });
  return {
    folder: (name) => storedFolder([...path, name]),
    async file(name) {
      const folder = await existing();
      const found = folder && (await ask(folder, () => folder.getFileHandle(name)).catch(unlessMissing));
      return found && ask(found, () => found.getFile());
    },
    async names() {
      const folder = await existing();
      if (!folder) return [];
      const names: string[] = [];
      for await (const [name] of folder as unknown as AsyncIterable<[string]>) names.push(name);
      return names;
    },
    write,
    async replace(name, bytes) {
      await write(`${name}.new`, bytes);
      await named(async () => ask(await handle(`${name}.new`), (file) => file.move(name)));
    },
    open: (name) => named(() => access(name)),
    remove: (name) => named(() => remove(name)),
  };
}

/** Writes bytes and flushes them. Throws if the browser has no room for all of them. */
export function writeAll(file: AccessHandle, bytes: Uint8Array, at: number): void {
  for (let done = 0; done < bytes.length; ) {
    const written = file.write(bytes.subarray(done), { at: at + done });
    if (written === 0) throw new DOMException('The file cannot grow', 'QuotaExceededError');
    done += written;
  }
  file.flush();
}

/** Does work on files. Throws `DataError` `studio/quota` if the browser has no room, and `studio/no-storage` if it keeps no files. */
export async function named<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if ((cause as Error).name === 'QuotaExceededError') {
      throw new DataError('This browser gives the page no more room', {
        code: 'studio/quota',
        hint: 'The change that needed more room was not made, and everything before it is kept. Free space on the disk, or delete pictures and press “Remove deleted pictures for good” under Keep. Then try again.',
        cause,
      });
    }
    throw new DataError(`This browser cannot keep files: ${(cause as Error).message}`, {
      code: 'studio/no-storage',
      hint: 'Open the page by https in a normal window of a current browser, not in a private one.',
      cause,
    });
  }
}

/** For `catch`: undefined for a file that does not exist. Rethrows other errors. */
function unlessMissing(error: Error): undefined {
  if (error.name !== 'NotFoundError') throw error;
}
