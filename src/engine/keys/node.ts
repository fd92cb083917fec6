import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { ModelError } from '../../errors.ts';
import { fileIdentity } from '../../store/regular.ts';
import type { FileReader } from './types.ts';

/** Opens a file of keys, which is read page by page. Throws `ModelError` if another file has taken its name since. */
export function openFile(path: string, identity: string): FileReader {
  // Without O_NONBLOCK, opening a pipe that took the file's name would wait for a writer.
  const file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  if (fileIdentity(fstatSync(file)) !== identity) {
    closeSync(file);
    throw new ModelError(`${path} was replaced while its classifier was in use`, {
      code: 'keys/replaced',
      hint: 'Load the classifier again.',
      details: { path },
    });
  }
  return {
    read: (into, position) => readSync(file, into, 0, into.length, position),
    close: () => closeSync(file),
  };
}
