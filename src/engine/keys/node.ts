import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { ModelError } from '../../errors.ts';
import { fileIdentity } from '../../store/regular.ts';
import type { FileReader } from './types.ts';

/** Opens a file whose place in memory is taken by pages. Throws `ModelError` where another file has its name by now. */
export function openFile(path: string, identity: string): FileReader {
  // A pipe in the file's place has no writer to wait for.
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
