import { join, sep } from 'node:path';
import { UsageError } from '../errors.ts';
import { type FileUse, PICTURE, readRegular } from '../store/regular.ts';
import type { SourceFile } from './tree.ts';
import type { Example } from './types.ts';

/** A picture or a table of a data set. */
const LISTED: FileUse = {
  ...PICTURE,
  area: 'dataset',
  hint: 'Check that the file still exists and that you may read it.',
};

/**
 * A file below a folder. It holds its path inside the folder only, and is one of very many: the absolute path is put together when it is
 * asked for.
 */
export class FolderFile implements SourceFile {
  readonly path: string;
  /** The folder, with a separator at its end. */
  readonly #base: string;

  constructor(path: string, base: string) {
    this.path = path;
    this.#base = base;
  }

  get absolute(): string {
    // A sum of two texts takes no memory for their letters.
    return sep === '/' ? this.#base + this.path : join(this.#base, this.path);
  }

  get readExample() {
    return readOwnFile;
  }

  read(): Promise<Uint8Array> {
    return readRegular(this.absolute, LISTED);
  }
}

function readOwnFile(this: Pick<Example, 'path'> | undefined): Promise<Uint8Array> {
  if (this?.path !== undefined) return readRegular(this.path, LISTED);
  throw detached();
}

/** The error of a function that reads the example it is called on, and was called on none. */
export function detached(): UsageError {
  return new UsageError('The function read was taken from its example', {
    code: 'dataset/detached',
    hint: 'Call it as example.read(), or keep a function () => example.read().',
  });
}

/** A file on disk; `path` is its name in the source. */
export function diskFile(path: string, absolute: string): SourceFile {
  return { path, absolute, read: () => readRegular(absolute, LISTED) };
}
