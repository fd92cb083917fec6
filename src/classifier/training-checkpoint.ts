import { rm } from 'node:fs/promises';
import type { TrainingState } from '../engine/training/types.ts';
import { ModelError, UsageError } from '../errors.ts';
import type { Checkpoint, Interruption } from '../methods/task.ts';
import { writeFileAtomic } from '../store/atomic.ts';
import { hashOf } from '../store/checksum.ts';
import { contentHash } from '../store/content-hash.ts';
import { readRegular, unlessMissing } from '../store/regular.ts';
import { encodeSafetensors, parseSafetensors } from '../store/safetensors.ts';
import { version } from '../version.ts';

/** A training's state in a safetensors file. Every write replaces the file atomically, so that it survives a kill. */
export interface FileCheckpoint extends Checkpoint {
  /** Present if the training was interrupted after this checkpoint was opened. */
  readonly interrupted?: Interruption;
  remove(): Promise<void>;
}

/**
 * Keeps the last saved state in a file. With `resume` the existing file is read. Throws `UsageError` if the file does not exist or belongs
 * to another training (other examples, class names, prompts, options, seed or package version), and `ModelError` if it is damaged.
 */
export function fileCheckpoint(path: string, { resume = false }: { resume?: boolean }): FileCheckpoint {
  let interrupted: Interruption | undefined;
  return {
    get interrupted() {
      return interrupted;
    },
    async open(identity) {
      const training = hashOf(version, ...identity);
      const state = resume ? await read(path, training) : undefined;
      return {
        state,
        onInterrupted: (progress) => {
          interrupted = progress;
        },
        save: ({ step, parameters, moments }) => {
          const named = (prefix: string, all: TrainingState['parameters']) =>
            Object.entries(all).map(([name, tensor]) => [`${prefix}${name}`, tensor] as const);
          const tensors = Object.fromEntries([
            ...named('parameter.', parameters),
            ...named('moment.', moments),
          ]);
          const sha256 = contentHash(tensors, `${training} ${step}`);
          return writeFileAtomic(path, encodeSafetensors(tensors, { training, step: String(step), sha256 }));
        },
      };
    },
    remove: () => rm(path, { force: true }),
  };
}

/** Fine-tuning refuses to replace the file of an interrupted training, even if it cannot continue it. */
const AFRESH = 'To train from the beginning, remove the file and leave out --resume.';

async function read(path: string, training: string): Promise<TrainingState> {
  const bytes = await readRegular(path, { area: 'checkpoint', Failure: ModelError }).catch(unlessMissing);
  if (!bytes) {
    throw new UsageError(`There is no interrupted training to continue: ${path} is missing`, {
      code: 'fit/resume',
      hint: 'Leave out --resume to train from the beginning.',
      details: { path },
    });
  }
  const { tensors, metadata } = parseSafetensors(bytes, path);
  if (metadata.training !== training) {
    throw new UsageError(`${path} belongs to another training, which this command cannot continue`, {
      code: 'fit/resume',
      hint: `Use the same pictures, prompts, options, seed and version as the run that was interrupted. ${AFRESH}`,
      details: { path },
    });
  }
  if (metadata.sha256 !== contentHash(Object.fromEntries(tensors), `${training} ${metadata.step}`)) {
    throw new ModelError(`${path} is damaged: its checksum does not match`, {
      code: 'fit/checkpoint',
      hint: AFRESH,
      details: { path },
    });
  }
  const part = (prefix: string) =>
    Object.fromEntries(
      [...tensors].flatMap(([name, tensor]) =>
        name.startsWith(prefix) ? [[name.slice(prefix.length), tensor]] : [],
      ),
    );
  return { step: Number(metadata.step), parameters: part('parameter.'), moments: part('moment.') };
}
