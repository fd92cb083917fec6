import { z } from 'zod';
import { count } from '../words.ts';
import { badAnnotations, jsonFiles, jsonIn, keysOf, readAnnotated, shaped } from './annotations.ts';
import type { Layout } from './dataset-layout.ts';
import type { Annotations } from './marks.ts';
import { splitNamed } from './splits.ts';
import type { SourceFile } from './tree.ts';

const SET = z.object({
  classes: z.array(z.string()).nullish(),
  labels: z.record(z.string(), z.union([z.string(), z.number()]).nullable()),
});

/** FiftyOne's data set for classification: `labels.json` with the class of each picture in `data/`, by its name without an ending. */
export const fiftyoneLayout: Layout = {
  id: 'fiftyone',
  about: "FiftyOne's labels.json beside data/",
  async read(tree, { signal }) {
    const all: Annotations[] = [];
    for (const file of jsonFiles(tree, /(^|\/)labels\.json$/i)) {
      const value = await jsonIn(file);
      if (!keysOf(value).has('labels') || !keysOf(value).has('classes')) continue;
      const { classes, labels } = shaped(SET, value, file);
      const folder = file.path.slice(0, file.path.lastIndexOf('/') + 1);
      const split = splitNamed(folder.slice(0, -1).split('/').at(-1) ?? '');
      const pictures = Object.entries(labels).map(([path, label]) => ({
        path,
        marks: label === null ? [] : [{ label: nameOf(file, label, classes ?? []) }],
      }));
      all.push({ file, pictures, base: `${folder}data/`, ...(split && { split }) });
    }
    return all.length > 0 ? readAnnotated(tree, 'labels of FiftyOne', all, signal) : undefined;
  },
};

function nameOf(file: SourceFile, label: string | number, classes: readonly string[]): string {
  const name = typeof label === 'string' ? label : classes[label];
  if (name !== undefined) return name;
  throw badAnnotations(
    file.path,
    `a picture has the label ${label}, and its list has ${count(classes.length, 'class', 'classes')}`,
  );
}
