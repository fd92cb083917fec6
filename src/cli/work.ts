import { stat } from 'node:fs/promises';
import type { Classifier } from '../classifier/index.ts';
import type { PullProgress } from '../encoder/pull.ts';
import { UsageError } from '../errors.ts';
import type { Io, ProgressBar } from './io.ts';

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

/** Shows a bar while the work goes on. */
export async function withBar<T>(io: Io, title: string, work: (bar: ProgressBar) => Promise<T>): Promise<T> {
  const bar = io.progress(title);
  try {
    return await work(bar);
  } finally {
    bar.done();
  }
}

/** A bar for the download of an encoder, and for what has to be done with it afterwards. */
export function pullBar(io: Io): { onPull(progress: PullProgress): void; done(): void } {
  const bars = {
    download: io.progress('Downloading'),
    convert: io.progress('Converting'),
  };
  return {
    onPull({ step, received, total }) {
      if (step === 'convert') bars.download.done();
      bars[step].update({ done: received, total, unit: 'bytes' });
    },
    done() {
      bars.download.done();
      bars.convert.done();
    },
  };
}

/** Refuses before the work what could only fail after it. */
export async function checkOutput(path: string): Promise<void> {
  if (!(await stat(path).catch(() => undefined))?.isDirectory()) return;
  throw new UsageError(`${path} is a folder; --output takes the path of a file`, {
    code: 'output/folder',
    hint: 'For example: -o pets.safetensors',
    details: { path },
  });
}
