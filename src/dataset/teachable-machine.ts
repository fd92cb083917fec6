import { posix } from 'node:path';
import { DataError } from '../errors.ts';
import { isImagePath } from '../image/image-paths.ts';
import { jsonIn } from './annotations.ts';
import type { Layout } from './dataset-layout.ts';
import type { SourceFile } from './tree.ts';

/** The name of a sample: its class and its number. */
const SAMPLE = /^(.+)-!-\d+$/;

/**
 * A project of Teachable Machine (`project.tm`, a zip): samples `Class 1-!-0.jpg` beside manifest.json, which gives the kind of project. Its
 * source is not public. Programs that write and read these files agree on the names: MeemeeLab/TeachableMachine-Scraper on GitHub.
 */
export const teachableMachineLayout: Layout = {
  id: 'teachable-machine',
  about: 'a project file of Teachable Machine (.tm)',
  async read({ files, root }) {
    const manifest = files.find(({ path }) => posix.basename(path) === 'manifest.json');
    const samples = files.filter(({ path }) => SAMPLE.test(posix.parse(path).name));
    if (!manifest || samples.length === 0) return undefined;
    const pictures = samples.filter(({ path }) => isImagePath(path));
    if (pictures.length === 0) throw noPictures(root, await kindOf(manifest));
    return {
      pictures: pictures.map((file) => ({ file, label: SAMPLE.exec(posix.parse(file.path).name)![1]! })),
      isListed: true,
      files: files.filter(({ path }) => !isImagePath(path)),
    };
  },
};

async function kindOf(manifest: SourceFile): Promise<string> {
  const value = await jsonIn(manifest);
  const { type } = (typeof value === 'object' && value !== null ? value : {}) as { type?: unknown };
  return typeof type === 'string' ? type : 'unknown';
}

/** Samples of sound are zip archives. */
function noPictures(root: string, kind: string): DataError {
  return new DataError(`${root} is a project of Teachable Machine without pictures (its type is "${kind}")`, {
    code: 'dataset/empty',
    hint: 'Give an image project.',
    details: { root, kind },
  });
}
