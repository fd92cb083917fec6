import { isImagePath } from '../image/image-paths.ts';
import { openSource } from './read.ts';
import type { ListValues } from './read-options.ts';
import type { SourceFile } from './tree.ts';
import type { Finding, Unreadable } from './types.ts';
import { unusedFiles } from './unused-files.ts';

/** The pictures of a folder or an archive, whatever their classes are. */
export interface FoundPictures {
  readonly pictures: readonly SourceFile[];
  /** Findings about files that were left out, and why. */
  readonly findings: readonly Finding[];
  readonly unreadable: readonly Unreadable[];
  /** Name and absolute path of the folder or archive. */
  readonly name: string;
  readonly root: string;
}

/**
 * Lists the pictures of a folder, a zip or a tar archive by the rules of `readDataset`, without looking for classes. Throws
 * `DataError` if `source` cannot be read.
 */
export async function listPictures(
  source: string,
  { signal, ...listing }: ListValues & { signal?: AbortSignal } = {},
): Promise<FoundPictures> {
  const tree = await openSource(source, listing, { signal });
  const pictures = tree.files.filter(({ path }) => isImagePath(path));
  // These pictures are not learnt from, so lists of splits have no meaning.
  const labelled = pictures.map((file) => ({ file, split: 'test' as const }));
  const unused = unusedFiles(tree, { pictures: labelled, classIds: [], layout: '', findings: [] }, []);
  const { name, root, findings, unreadable } = tree;
  return { pictures, findings: [...findings, ...unused], unreadable, name, root };
}
