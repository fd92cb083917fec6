import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { UsageError } from '../errors.ts';
import { diskError } from '../store/atomic.ts';
import { kindOf } from '../store/regular.ts';

/**
 * Checks an output path before the work, so that the command does not fail after it and does not destroy its inputs. Throws for `-`, for an
 * existing folder, for a folder that cannot be written, and for a file that is one of the inputs.
 */
export async function checkOutput(path: string, inputs: readonly (string | undefined)[] = []): Promise<void> {
  refuseStream(path);
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

/** The same check for an output folder. */
export async function checkOutputFolder(path: string): Promise<void> {
  refuseStream(path);
  const target = await found(path);
  if (target && !target.isDirectory()) throw notAFolder(path);
  await checkWritable(path, resolve(path));
}

/** Refuses `-`, which names standard output in other programs. */
function refuseStream(path: string): void {
  if (path !== '-') return;
  throw new UsageError('The output cannot be -, because no file is written to stdout', {
    code: 'usage',
    hint: 'Give a path. For a file of this name, give ./-.',
    details: { path },
  });
}

/** Throws if the nearest existing parent is not a folder or cannot be written. */
async function checkWritable(path: string, folder = dirname(resolve(path))): Promise<void> {
  while (!(await found(folder)) && folder !== dirname(folder)) folder = dirname(folder);
  if (!(await found(folder))?.isDirectory()) throw notAFolder(folder);
  await access(folder, constants.W_OK).catch((error) => {
    throw diskError(error, path);
  });
}

const found = (path: string) => stat(path).catch(() => undefined);

function notAFolder(path: string): UsageError {
  return new UsageError(`${path} is a file, but a folder is needed there`, {
    code: 'output/not-a-folder',
    hint: 'Give another path for the output.',
    details: { path },
  });
}
