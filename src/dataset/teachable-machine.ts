import { posix } from 'node:path';
import { isImagePath } from '../image/image-paths.ts';
import type { LabelledFile, Layout } from './dataset-layout.ts';
import type { Tree } from './tree.ts';

/** The separator of the parts of a sample's name: the class, its number, and the number of the sample. */
const SEPARATOR = '-!-';

/** A project of Teachable Machine (`project.tm`, a zip): samples named by their class beside manifest.json. */
export const teachableMachineLayout: Layout = {
  id: 'teachable-machine',
  about: 'a project file of Teachable Machine (.tm)',
  async read(tree) {
    const manifest = tree.files.find(({ path }) => posix.basename(path) === 'manifest.json');
    const samples = tree.files.filter(({ path }) => isImagePath(path) && path.includes(SEPARATOR));
    if (!manifest || samples.length === 0) return undefined;
    return { pictures: samples.map(labelled), isListed: true, files: otherFiles(tree) };
  },
};

/** `Class 1-!-0.jpg`, or `0-!-Class 1-!-0.jpg`. */
function labelled(file: Tree['files'][number]): LabelledFile {
  const parts = posix.parse(file.path).name.split(SEPARATOR);
  return { file, label: parts.length > 2 ? parts.slice(1, -1).join(SEPARATOR) : parts[0]! };
}

/** The project's own files and models. */
function otherFiles({ files }: Tree) {
  return files.filter(({ path }) => !isImagePath(path));
}
