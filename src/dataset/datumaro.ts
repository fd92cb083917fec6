import { posix } from 'node:path';
import { z } from 'zod';
import { count } from '../words.ts';
import { badAnnotations, ID, jsonFiles, jsonIn, keysOf, readAnnotated, shaped } from './annotations.ts';
import type { Layout } from './dataset-layout.ts';
import type { Annotated, Annotations, Mark } from './marks.ts';
import { splitNamed } from './splits.ts';
import type { SourceFile } from './tree.ts';

const MEDIA = z.object({ path: z.string().nullish(), size: z.array(z.number()).nullish() });
const SET = z.object({
  categories: z.object({ label: z.object({ labels: z.array(z.object({ name: z.string() })) }) }),
  items: z.array(
    z.object({
      id: ID,
      image: MEDIA.nullish(),
      annotations: z.array(
        z.object({ type: z.string(), label_id: z.number().nullish(), bbox: z.array(z.number()).nullish() }),
      ),
    }),
  ),
});

/**
 * Datumaro's JSON, which CVAT also exports: `annotations/<subset>.json` beside `images/<subset>/`. The class of a picture is that of its
 * annotations of the type `label` or, if it has none, of its boxes and other shapes.
 */
export const datumaroLayout: Layout = {
  id: 'datumaro',
  about: "Datumaro's annotations/<subset>.json beside images/<subset>/",
  async read(tree, { signal }) {
    const all: Annotations[] = [];
    for (const file of jsonFiles(tree, /(^|\/)annotations\/[^/]+\.json$/i)) {
      const value = await jsonIn(file);
      const keys = keysOf(value);
      if (!keys.has('items') || !keys.has('categories')) continue;
      const subset = posix.parse(file.path).name;
      const split = splitNamed(subset);
      const folder = posix.join(posix.dirname(file.path), '../images', subset, '/');
      const base = tree.files.some(({ path }) => path.startsWith(folder)) ? folder : '';
      const { items, categories } = shaped(SET, value, file);
      const names = categories.label.labels.map(({ name }) => name);
      const pictures = items.map((item) => annotated(file, item, names, tree.options?.crop !== undefined));
      all.push({ file, pictures, base, ...(split && { split }) });
    }
    return all.length > 0 ? readAnnotated(tree, 'annotations of Datumaro', all, signal) : undefined;
  },
};

function annotated(
  file: SourceFile,
  { id, image, annotations }: z.infer<typeof SET>['items'][number],
  names: readonly string[],
  isCropped: boolean,
): Annotated {
  const tags = annotations.filter(({ type }) => type === 'label');
  const used = tags.length > 0 && !isCropped ? tags : annotations.filter(({ type }) => type !== 'label');
  const marks = used.flatMap(({ label_id: label, bbox }): Mark[] => {
    if (label === undefined || label === null) return [];
    const name = names[label];
    if (name === undefined)
      throw badAnnotations(
        file.path,
        `"${id}" has the label ${label}, and the data set has ${count(names.length, 'label')}`,
      );
    const [left = Number.NaN, top = Number.NaN, width = Number.NaN, height = Number.NaN] = bbox ?? [];
    return [{ label: name, ...(bbox && { box: { left, top, width, height } }) }];
  });
  const [height, width] = image?.size ?? [];
  return { path: image?.path || String(id), marks, ...(width && height && { size: { width, height } }) };
}
