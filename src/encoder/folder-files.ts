import { join } from 'node:path';
import { checkRegular, unlessMissing } from '../store/regular.ts';
import { ENCODER_FILE, readJson } from './configuration-files.ts';
import type { EncoderFiles } from './tower.ts';

/** The files of an encoder in a folder. The engine reads a model itself, with its external weights. */
export function folderFiles(folder: string): EncoderFiles {
  return {
    model: async (path) => {
      const model = join(folder, path);
      await checkRegular(model, ENCODER_FILE);
      return model;
    },
    json: (path) => readJson(join(folder, path)).catch(unlessMissing),
  };
}
