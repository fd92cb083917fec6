import type { ClassifierFile } from '../classifier/classifier-file.ts';
import type { Classifier } from '../classifier/index.ts';
import type { Io } from './io.ts';

/**
 * Opens a classifier, given by its path or by its repository on the hub, works with it, and closes it also after an error. A note names the
 * commit of a repository.
 */
export async function withClassifier<T>(
  given: string,
  io: Pick<Io, 'note' | 'signal'>,
  work: (classifier: Classifier) => Promise<T>,
): Promise<T> {
  const { load } = await import('../classifier/classifier.ts');
  const { path } = await findClassifier(given, io);
  const classifier = await load(path, { signal: io.signal });
  try {
    return await work(classifier);
  } finally {
    await classifier.close();
  }
}

/** The file of a classifier, given by its path or by its repository on the hub. A note names the commit of a repository. */
export async function findClassifier(
  given: string,
  io: Pick<Io, 'note' | 'signal'>,
): Promise<ClassifierFile> {
  const { classifierFile, isOnHub } = await import('../classifier/classifier-file.ts');
  const file = await classifierFile(given, { signal: io.signal });
  if (isOnHub(given) && given !== file.place)
    io.note(`${given} is ${file.place}; give another commit for another version.`);
  return file;
}
