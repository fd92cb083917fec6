import { isStoreAddress } from '../dataset/store-tree.ts';
import { DataError, UsageError } from '../errors.ts';
import { duration } from '../report/numbers.ts';
import { count, number, UNCALIBRATED } from '../words.ts';
import { noEffect } from './command.ts';
import { PartialError } from './images.ts';
import type { Io } from './io.ts';
import { checkOutputFolder } from './output-checks.ts';
import { withBar } from './progress-bars.ts';
import { barState, openQueue, tellLeftOut } from './queue-options.ts';
import { tellData } from './told-data.ts';

/** Whether answers go into a folder, as Parquet files, and not into one file. */
export function isAnswerFolder(output: string | undefined): output is string {
  return output !== undefined && (output.endsWith('/') || output.includes('://'));
}

/** Throws `UsageError` for what is not possible with answers in a folder. */
export async function checkAnswerFolder(
  output: string,
  sources: readonly string[],
  options: Readonly<Record<string, unknown>>,
): Promise<void> {
  const [idle] = Object.entries(options).filter(([, value]) => value !== undefined && value !== false);
  if (idle)
    throw noEffect(
      idle[0],
      `-o ${output}`,
      'Answers in a folder are Parquet files. Leave it out, or give a file.',
    );
  if (sources.length !== 1)
    throw new UsageError(`Answers in a folder are about one source, not ${number(sources.length)}`, {
      code: 'usage',
      hint: 'Give one folder, archive or address.',
    });
  if (!output.includes('://')) await checkOutputFolder(output);
}

/** Answers all pictures of a source in parts of about 2,000, and writes the answers into a folder. Finished parts are kept. */
export async function predictInto(
  classifier: string,
  source: string,
  { output, reject, queue: redis }: { output: string; reject?: number; queue?: string },
  io: Io,
): Promise<void> {
  const started = performance.now();
  const { resolve } = await import('node:path');
  const { unlabelledData } = await import('../scale/embed.ts');
  const { openPredict } = await import('../scale/predict-work.ts');
  const { localQueue, runWork } = await import('../scale/index.ts');
  const listed = isStoreAddress(source) ? source : await unlabelledData(source, { signal: io.signal });
  if (typeof listed !== 'string') {
    await tellData(listed, io);
    if (listed.examples.length === 0)
      throw new DataError(`There is no picture in ${source}`, {
        code: 'images/none',
        hint: 'Give a folder or archive of pictures.',
      });
  }
  const place = (path: string) => (path.includes('://') ? path : resolve(path));
  const description = {
    ...{ source: place(source), output: place(output), classifier: resolve(classifier) },
    ...(reject !== undefined && { reject }),
  };
  const { work, calibrated } = await openPredict({ classifier, source: listed, output, reject, description });
  const queue = redis === undefined ? undefined : await openQueue(redis, false, io);
  try {
    const summary = await withBar(io, 'Classifying', (bar) =>
      runWork(work, queue ?? localQueue, {
        signal: io.signal,
        onProgress: (progress) => bar.update(barState(progress)),
      }),
    );
    const { pictures, failures, before } = summary;
    tellLeftOut(summary, io);
    const how = before ? 'written by an earlier run' : `in ${duration((performance.now() - started) / 1000)}`;
    io.print(`${output}: ${count(pictures - failures, 'answer')}, ${how}`);
    if (!calibrated) io.note(UNCALIBRATED);
    if (failures > 0)
      throw new PartialError(`${number(failures)} of ${count(pictures, 'picture')} could not be read`, {
        code: 'predict/unreadable',
        hint: `${output.replace(/\/*$/, '')}/failures.csv names them. The other pictures are answered.`,
      });
  } finally {
    await work.close();
    await queue?.[Symbol.asyncDispose]();
  }
}
