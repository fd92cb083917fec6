import type { ListValues } from '../dataset/read-options.ts';
import { DataError, UsageError } from '../errors.ts';
import { duration } from '../report/numbers.ts';
import { checkUnlabelled } from '../scale/embed-options.ts';
import type { RunProgress } from '../scale/work.ts';
import { isHubData, isStreamed } from '../store/store-address.ts';
import { count, number, UNCALIBRATED } from '../words.ts';
import { firstGiven, noEffect } from './command.ts';
import { PartialError } from './images.ts';
import type { Io } from './io.ts';
import { findClassifier } from './open-classifier.ts';
import { checkOutputFolder } from './output-checks.ts';
import { withBar } from './progress-bars.ts';
import { barState, openQueue, tellLeftOut, tellSubmitted } from './queue-options.ts';
import { tellData } from './told-data.ts';

/** Whether answers go into a folder, as Parquet files, and not into one file. */
export function isAnswerFolder(output: string | undefined): output is string {
  return output !== undefined && (output.endsWith('/') || output.includes('://'));
}

/**
 * Throws `UsageError` for options that are not possible with answers in a folder: several sources, and options about other forms of
 * answers.
 */
export async function checkAnswerFolder(
  output: string,
  sources: readonly string[],
  listing: ListValues,
  options: Readonly<Record<string, unknown>>,
): Promise<void> {
  const idle = firstGiven(options);
  if (idle)
    throw noEffect(
      idle,
      `-o ${output}`,
      'Answers in a folder are Parquet files. Leave it out, or give a file.',
    );
  if (sources.length !== 1)
    throw new UsageError(`Answers in a folder are about one source, not ${number(sources.length)}`, {
      code: 'usage',
      hint: 'Give one folder, archive or address.',
    });
  checkUnlabelled(sources[0], listing);
  if (!output.includes('://')) await checkOutputFolder(output);
}

/** Answers all pictures of a source in parts of about 2,000, and writes the answers into a folder. Finished parts are kept. */
export async function predictInto(
  classifier: string,
  source: string,
  {
    output,
    reject,
    queue: redis,
    detach,
    listing,
  }: { output: string; reject?: number; queue?: string; detach: boolean; listing: ListValues },
  io: Io,
): Promise<void> {
  const started = performance.now();
  const { unlabelledData } = await import('../scale/embed.ts');
  const { placeOf } = await import('../scale/places.ts');
  const { openPredict } = await import('../scale/predict-work.ts');
  const { localQueue } = await import('../scale/local-queue.ts');
  const { openPictures } = await import('../scale/store-source.ts');
  const { runWork, submitWork } = await import('../scale/run-work.ts');
  const listed = isStreamed(source)
    ? await openPictures(source, { signal: io.signal, note: (line) => io.note(line) })
    : await unlabelledData(source, { ...listing, signal: io.signal });
  if ('examples' in listed) {
    await tellData(listed, io);
    if (listed.examples.length === 0)
      throw new DataError(`There is no picture in ${source}`, {
        code: 'images/none',
        hint: 'Give a folder or archive of pictures.',
      });
  }
  const description = {
    ...{
      source: 'examples' in listed || !isHubData(source) ? placeOf(source) : listed.address,
      reading: listing,
      output: placeOf(output),
    },
    ...(reject !== undefined && { reject }),
  };
  const queue = redis === undefined ? undefined : await openQueue(redis, detach, io);
  let opened: Awaited<ReturnType<typeof openPredict>> | undefined;
  try {
    const file = await findClassifier(classifier, io);
    const settings = { classifier: file, source: listed, output, reject, description };
    opened = await openPredict(settings, { signal: io.signal });
    const { work, calibrated } = opened;
    const done = await withBar(io, detach ? 'Listing' : 'Classifying', async (bar) => {
      const onProgress = (progress: RunProgress) => bar.update(barState(progress));
      const options = { signal: io.signal, onProgress };
      return queue && detach ? submitWork(work, queue, options) : runWork(work, queue ?? localQueue, options);
    });
    tellLeftOut(done, io);
    if (!calibrated) io.note(UNCALIBRATED);
    if ('run' in done) return tellSubmitted(done, { output, redis: redis! }, io);
    const { pictures, failures, before } = done;
    const how = before ? 'written by an earlier run' : `in ${duration((performance.now() - started) / 1000)}`;
    io.print(`${output}: ${count(pictures - failures, 'answer')}, ${how}`);
    if (failures > 0)
      throw new PartialError(`${number(failures)} of ${count(pictures, 'picture')} could not be read`, {
        code: 'predict/unreadable',
        hint: `${output.replace(/\/*$/, '')}/failures.csv names them. The other pictures are answered.`,
      });
  } finally {
    await opened?.work.close();
    await queue?.[Symbol.asyncDispose]();
  }
}
