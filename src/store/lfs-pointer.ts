import { ModelError } from '../errors.ts';

/** Git LFS limits pointers to less than this number of bytes. */
export const LARGEST_POINTER = 1023;

/** Whether a file's text is a pointer of Git LFS (https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md). */
export function isLfsPointer(text: string): boolean {
  return text.startsWith('version https://git-lfs.github.com/spec/');
}

/** The error for a pointer in place of a file. */
export function lfsPointer(where: string): ModelError {
  return new ModelError(`${where} is not the file, but its pointer in Git LFS`, {
    code: 'hub/lfs-pointer',
    hint: 'In a clone of the repository, run: git lfs pull. A mirror must serve the files themselves.',
    details: { where },
  });
}
