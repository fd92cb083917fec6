import { rm } from 'node:fs/promises';
import type { TrainingState } from '../engine/training/types.ts';
import { UsageError } from '../errors.ts';
import type { Checkpoint } from '../methods/task.ts';
import { writeFileAtomic } from '../store/atomic.ts';
import { readRegular, unlessMissing } from '../store/regular.ts';
import { encodeSafetensors, parseSafetensors } from '../store/safetensors.ts';

/** A training's state in a safetensors file: what was kept survives a kill, for every write replaces the file as a whole. */
export interface FileCheckpoint extends Checkpoint {
  remove(): Promise<void>;
}

/**
 * Keeps the last full epoch in a file. Only with `resume` is what lies there given back. Throws `UsageError` where it is of
 * another training: other examples, options or seed.
 */
export function fileCheckpoint(path: string, { resume = false }: { resume?: boolean }): FileCheckpoint {
  return {
    async load(key) {
      const bytes = resume ? await readRegular(path, { area: 'fit' }).catch(unlessMissing) : undefined;
      if (!bytes) return undefined;
      const { tensors, metadata } = parseSafetensors(bytes, path);
      if (metadata.training !== key) {
        throw new UsageError(`${path} is of another training, and cannot be continued by this one`, {
          code: 'fit/resume',
          hint: 'Use the same pictures, options and seed as the run that was interrupted, or leave out --resume.',
        });
      }
      const part = (prefix: string) =>
        Object.fromEntries(
          [...tensors].flatMap(([name, tensor]) =>
            name.startsWith(prefix) ? [[name.slice(prefix.length), tensor]] : [],
          ),
        );
      return { step: Number(metadata.step), parameters: part('parameter.'), moments: part('moment.') };
    },
    async save(key, { step, parameters, moments }: TrainingState) {
      const named = (prefix: string, all: TrainingState['parameters']) =>
        Object.entries(all).map(([name, tensor]) => [`${prefix}${name}`, tensor] as const);
      const tensors = new Map([...named('parameter.', parameters), ...named('moment.', moments)]);
      await writeFileAtomic(path, encodeSafetensors(tensors, { training: key, step: String(step) }));
    },
    remove: () => rm(path, { force: true }),
  };
}
