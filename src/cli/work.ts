import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Classifier } from '../classifier/index.ts';
import type { PullProgress } from '../encoder/pull.ts';
import { DataError, UsageError } from '../errors.ts';
import type { FitProgress } from '../methods/task.ts';
import { percent } from '../report/numbers.ts';
import { diskError } from '../store/atomic.ts';
import { kindOf } from '../store/regular.ts';
import { count, number } from '../words.ts';
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

/** Throws `DataError` where pictures could not be read: what is printed is about the others, and a program learns that. */
export function checkAllRead(
  unread: readonly string[],
  { all, code, hint }: { all: number; code: string; hint?: string },
): void {
  if (unread.length === 0) return;
  throw new DataError(`${number(unread.length)} of ${count(all, 'picture')} could not be read`, {
    code,
    hint,
    details: { images: unread },
  });
}

/** What to do about figures that are not about all pictures. */
export const PARTIAL_HINT =
  'The figures are about the others only. Remove these pictures or write them anew, and measure again.';

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
      const facts =
        loss === undefined
          ? undefined
          : `loss ${loss.toFixed(3)}, ${percent(accuracy)} of the training rows right`;
      bar.update({ done, total, facts });
    },
    done: () => bar.done(),
  };
}

/**
 * Refuses before the work what could only fail after it, or would destroy what it reads: a folder in the file's place, a
 * folder that cannot be written, a file that is also one of the inputs.
 */
export async function checkOutput(path: string, inputs: readonly (string | undefined)[] = []): Promise<void> {
  const target = await found(path);
  const kind = kindOf(target);
  if (kind) {
    throw new UsageError(`${path} is ${kind}, but the output must be a file`, {
      code: 'output/folder',
      hint: 'Add the name of a file to the path.',
      details: { path },
    });
  }
  for (const input of inputs) {
    const source = input === undefined ? undefined : await found(input);
    if (!target || !source || source.dev !== target.dev || source.ino !== target.ino) continue;
    throw new UsageError(`${path} is a file that this command reads, so the output cannot replace it`, {
      code: 'output/input',
      hint: 'Give the output another name.',
      details: { path, input },
    });
  }
  await checkWritable(path);
}

/** The same for a folder that files are written into. */
export async function checkOutputFolder(path: string): Promise<void> {
  const target = await found(path);
  if (target && !target.isDirectory()) throw notAFolder(path);
  await checkWritable(path, resolve(path));
}

/** Throws where the nearest folder above that is there is none, or cannot be written. */
async function checkWritable(path: string, folder = dirname(resolve(path))): Promise<void> {
  while (!(await found(folder)) && folder !== dirname(folder)) folder = dirname(folder);
  if (!(await found(folder))?.isDirectory()) throw notAFolder(folder);
  await access(folder, constants.W_OK).catch((error) => {
    throw diskError(error, path);
  });
}

const found = (path: string) => stat(path).catch(() => undefined);

/** Refuses an option that would change nothing beside another one. */
export function inVain(option: string, beside: string, hint: string): UsageError {
  return new UsageError(`--${option} has no effect with ${beside}`, {
    code: 'option/no-effect',
    hint,
    details: { option },
  });
}

function notAFolder(path: string): UsageError {
  return new UsageError(`${path} is a file, but a folder is needed there`, {
    code: 'output/not-a-folder',
    hint: 'Give another path for the output.',
    details: { path },
  });
}
