import { extname } from 'node:path';

/** Ending of the package's files: `.ts` in its sources, `.js` when compiled. The programs of its threads and processes have it too. */
export const EXTENSION = extname(import.meta.url);

/**
 * Node's flags for the package's own threads and processes. They do not get the program's flags, because `--input-type` would end them. From
 * TypeScript sources they do (undefined), for the loader.
 */
export const FLAGS = EXTENSION === '.ts' ? undefined : [];
