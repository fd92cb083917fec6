import type { Evaluation } from '../classifier/types.ts';
import { doubtsOf } from '../dataset/doubts.ts';
import { countUnread } from '../dataset/findings.ts';
import { overviewOf, sizesText } from '../dataset/overview.ts';
import type { ReadOptions } from '../dataset/read.ts';
import { givenReading } from '../dataset/read-options.ts';
import type { Dataset, Finding } from '../dataset/types.ts';
import { DataError, messageAbout } from '../errors.ts';
import { flag } from '../options.ts';
import { count, plural } from '../words.ts';
import { noEffect } from './command.ts';
import type { Io } from './io.ts';
import { tellFindings, tellSome } from './tell.ts';

export const strictOption = flag({ help: 'End with an error if there is a warning about the data.' });

/** How findings about data are printed. */
interface Telling {
  readonly strict?: boolean;
  /** The least number of classes with which a person is asked about a doubtful reading. If it is not given, nobody is asked. */
  readonly askFrom?: number;
}

/**
 * Reads labelled pictures and prints the findings before anything is encoded. A folder of features is not read: its path is returned.
 * Throws the errors of `tellData`.
 */
export async function readTold(
  source: string,
  io: Io,
  { strict, askFrom, ...reading }: Telling & ReadOptions = {},
): Promise<Dataset | string> {
  const { isFeatureDump } = await import('../dataset/feature-dump.ts');
  if (await isFeatureDump(source)) {
    const idle = givenReading(reading);
    if (idle) throw noEffect(idle, 'a folder of features', 'It says how pictures are read. Leave it out.');
    return source;
  }
  const { readDataset } = await import('../dataset/read.ts');
  const dataset = await readDataset(source, {
    signal: io.signal,
    note: (line) => io.note(line),
    ...reading,
  });
  await tellData(dataset, io, { strict, askFrom });
  return dataset;
}

/**
 * Prints the findings about a data set. Throws `DataError` for a warning if `strict` is set, and if a person who is asked about a doubtful
 * reading does not want to continue.
 */
export async function tellData(
  dataset: Dataset,
  io: Io,
  { strict = false, askFrom = Number.POSITIVE_INFINITY }: Telling = {},
): Promise<void> {
  const { name, classes, findings } = dataset;
  const [found, ...others] = findings;
  const sizes = sizesText(overviewOf(dataset));
  if (found) tellFindings(io, [found]);
  if (sizes) io.note(sizes);
  tellFindings(io, others);
  if (strict) refuseWarnings(findings, name);
  const doubts = doubtsOf(dataset);
  if (doubts.length === 0 || !io.ask || classes.length < askFrom) return;
  if (await io.ask('Continue with this reading of the data?', io.signal)) return;
  throw new DataError(`Stopped before the work, because ${name} was probably misread`, {
    code: 'data/doubtful',
    hint: 'Correct the data, or run the command again and answer y.',
    details: { doubts: doubts.map(({ message }) => message) },
  });
}

/** The findings that `tellData` has not printed. */
export function untold(findings: readonly Finding[], source: Dataset | string): readonly Finding[] {
  return typeof source === 'string' ? findings : findings.filter((one) => !source.findings.includes(one));
}

/** Prints the findings and unreadable pictures of an evaluation that have not been printed yet. */
export function tellUncovered(
  io: Io,
  { findings, failures }: Pick<Evaluation, 'findings' | 'failures'>,
  source: Dataset | string,
): void {
  tellFindings(io, untold(findings, source));
  if (failures.length > 0) io.note(`${countUnread(failures.map(({ image }) => image))} could not be read:`);
  tellSome(
    io,
    failures.map(({ image, error }) => messageAbout(image, error.message)),
  );
}

/** Throws `DataError` if one of the findings is a warning. */
export function refuseWarnings(findings: readonly Finding[], name: string): void {
  const warnings = findings.filter(({ level }) => level === 'warning');
  if (warnings.length === 0) return;
  throw new DataError(
    `There ${plural(warnings.length, 'is', 'are')} ${count(warnings.length, 'warning')} about ${name}, and with --strict a warning is an error`,
    {
      code: 'data/strict',
      hint: 'Correct the data, or leave out --strict.',
      details: { warnings: warnings.map(({ message }) => message) },
    },
  );
}
