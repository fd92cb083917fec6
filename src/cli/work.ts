import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Classifier } from '../classifier/index.ts';
import type { PullProgress } from '../encoder/pull.ts';
import { UsageError } from '../errors.ts';
import type { FitProgress } from '../methods/task.ts';
import { percent } from '../report/numbers.ts';
import { diskError } from '../store/atomic.ts';
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

/** A bar for what follows the encoding: training, with loss and accuracy on the training rows, or a search. */
export function trainingBar(io: Io): { onFit(progress: FitProgress): void; done(): void } {
  const bar = io.progress('Fitting');
  return {
    onFit({ done, total, loss, accuracy = 0 }) {
      const facts = loss === undefined ? undefined : `loss ${loss.toFixed(3)}, ${percent(accuracy)} right`;
      bar.update({ done, total, facts });
    },
    done: () => bar.done(),
  };
}

/** Refuses before the work what could only fail after it: a folder in the file's place, a folder that cannot be written. */
export async function checkOutput(path: string): Promise<void> {
  if ((await stat(path).catch(() => undefined))?.isDirectory()) {
    throw new UsageError(`${path} is a folder; the path of a file is needed`, {
      code: 'output/folder',
      hint: 'Put the name of a file behind it.',
      details: { path },
    });
  }
  let folder = dirname(resolve(path));
  while (!(await stat(folder).catch(() => undefined)) && folder !== dirname(folder)) folder = dirname(folder);
  await access(folder, constants.W_OK).catch((error) => {
    throw diskError(error, path);
  });
}
