import type { Classifier } from '../classifier/index.ts';

/** Opens a saved classifier, works with it and closes it, whatever happens. */
export async function withClassifier<T>(
  path: string,
  work: (classifier: Classifier) => Promise<T>,
): Promise<T> {
  const { load } = await import('../classifier/index.ts');
  const classifier = await load(path);
  try {
    return await work(classifier);
  } finally {
    await classifier.close();
  }
}
