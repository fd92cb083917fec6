import type { PullProgress } from '../encoder/pull.ts';
import type { FitProgress } from '../methods/task.ts';
import { percent } from '../report/numbers.ts';
import type { Io, ProgressBar } from './io.ts';

/** Shows a bar while the work goes on. */
export async function withBar<T>(io: Io, title: string, work: (bar: ProgressBar) => Promise<T>): Promise<T> {
  const bar = io.progress(title);
  try {
    return await work(bar);
  } finally {
    bar.done();
  }
}

/** A bar for the download of an encoder and its conversion. */
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

/** A bar for a training (with loss and accuracy on the training rows) or a search. */
export function trainingBar(io: Io): { onFit(progress: FitProgress): void; done(): void } {
  const bar = io.progress('Fitting');
  return {
    onFit({ done, total, loss, accuracy = 0 }) {
      const facts =
        loss === undefined
          ? undefined
          : `loss ${loss.toFixed(3)}, ${percent(accuracy)} of the training rows correct`;
      bar.update({ done, total, facts });
    },
    done: () => bar.done(),
  };
}
