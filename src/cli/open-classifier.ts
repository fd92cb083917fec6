import type { Classifier } from '../classifier/index.ts';

/** Opens a saved classifier, works with it, and closes it also after an error. */
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
