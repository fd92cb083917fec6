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
  const { classifierFile, isOnHub } = await import('../classifier/classifier-file.ts');
  const { signal } = io;
  const { path, place } = await classifierFile(given, { signal });
  if (isOnHub(given) && given !== place)
    io.note(`${given} is ${place}; give another commit for another version.`);
  const classifier = await load(path, { signal });
  try {
    return await work(classifier);
  } finally {
    await classifier.close();
  }
}
