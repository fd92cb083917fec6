import { DataError } from '../../../errors.ts';
import type { AccessHandle, StoredFolder } from './storage.ts';

/** The browser's storage in memory: files by their paths, and the number of bytes that fit. */
export class MemoryStorage {
  readonly files = new Map<string, Uint8Array>();
  /** Files that are open for writing. As in a browser, none can be opened twice. */
  readonly #open = new Set<string>();
  room: number;
  /** The path of a file that the browser cannot open for reading. */
  unreadable?: string;

  constructor(room = Number.POSITIVE_INFINITY) {
    this.room = room;
  }

  get root(): StoredFolder {
    return this.#folder('');
  }

  get paths(): string[] {
    return [...this.files.keys()].sort();
  }

  #folder(at: string): StoredFolder {
    const take = (path: string) => {
      if (this.#open.has(path)) throw new Error(`${path} is open`);
      this.#open.add(path);
    };
    const write = async (name: string, bytes: Uint8Array) => {
      const path = at + name;
      take(path);
      this.files.set(path, bytes.subarray(0, 0));
      await new Promise((resolve) => setTimeout(resolve, 1));
      this.#open.delete(path);
      const used = [...this.files.values()].reduce((sum, { length }) => sum + length, 0);
      if (used + bytes.length <= this.room) this.files.set(path, bytes);
      else {
        this.files.delete(path);
        throw new DataError('This browser gives the page no more room', { code: 'studio/quota' });
      }
    };
    return {
      folder: (name) => this.#folder(`${at}${name}/`),
      file: async (name) => {
        if (at + name === this.unreadable)
          throw new DOMException('The file cannot be read', 'NotReadableError');
        const bytes = this.files.get(at + name);
        return bytes && new File([bytes as BlobPart], name);
      },
      names: async () => {
        const inside = this.paths.filter((path) => path.startsWith(at));
        return [...new Set(inside.map((path) => path.slice(at.length).split('/')[0] as string))];
      },
      write,
      replace: async (name, bytes) => {
        await write(`${name}.new`, bytes);
        this.files.delete(`${at}${name}.new`);
        this.files.set(at + name, bytes);
      },
      open: async (name): Promise<AccessHandle> => {
        const path = at + name;
        take(path);
        const content = () => this.files.get(path) ?? new Uint8Array();
        return {
          getSize: () => content().length,
          write: (bytes, { at: start }) => {
            this.files.set(path, Uint8Array.of(...content().subarray(0, start), ...bytes));
            return bytes.length;
          },
          truncate: (size) => void this.files.set(path, content().subarray(0, size)),
          flush() {},
          close: () => void this.#open.delete(path),
        };
      },
      remove: async (name) => {
        for (const path of this.paths)
          if (path === at + name || path.startsWith(`${at}${name}/`)) this.files.delete(path);
      },
    };
  }
}
