import { posix } from 'node:path';
import { isImagePath } from '../image/image-paths.ts';
import { count } from '../words.ts';
import { info, quoted, warning } from './findings.ts';
import type { SourceFile } from './tree.ts';
import type { Finding } from './types.ts';

/** Reports the files that were left out because systems or tools made them. */
export function leftoverFindings(paths: string[]): Finding[] {
  if (paths.length === 0) return [];
  const names = [...new Set(paths.map((path) => posix.basename(path)))];
  const what = count(
    paths.length,
    'file or folder of a system or tool is',
    'files and folders of systems and tools are',
  );
  return [info('leftovers', `${what} left out (${quoted(names)}).`, paths)];
}

/** Reports the files that were left out because they are hidden. */
export function hiddenFindings(files: readonly SourceFile[]): Finding[] {
  if (files.length === 0) return [];
  const tell = files.some(({ path }) => isImagePath(path)) ? warning : info;
  const hidden = count(
    files.length,
    'file is left out, because its name or that of a folder begins with a dot',
    'files are left out, because their names or those of their folders begin with a dot',
  );
  const paths = files.map(({ path }) => path);
  return [tell('hidden', `${hidden}.`, paths)];
}
