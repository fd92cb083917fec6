import { posix } from 'node:path';
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
