import { posix } from 'node:path';
import { z } from 'zod';
import {
  badAnnotations,
  ID,
  jsonFiles,
  jsonIn,
  keysOf,
  readAnnotated,
  shaped,
  strayMarks,
} from './annotations.ts';
import type { Layout } from './dataset-layout.ts';
import { info, quoted } from './findings.ts';
import type { Annotations, Mark, Rectangle } from './marks.ts';
import { splitNamed, splitWithin } from './splits.ts';
import type { SourceFile, Tree } from './tree.ts';

/** The part of COCO's format for objects that gives the classes of pictures (cocodataset.org/#format-data). */
const COCO = z.object({
  images: z.array(
    z.object({ id: ID, file_name: z.string(), width: z.number().nullish(), height: z.number().nullish() }),
  ),
  annotations: z.array(
    z.object({ image_id: ID, category_id: ID, bbox: z.array(z.number()).nullish().catch(undefined) }),
  ),
  categories: z.array(z.object({ id: ID, name: z.string() })),
});

const NAMED = /(^|\/)(_annotations\.coco|annotations?|instances_[^/]*)\.json$/i;

/** Pictures with their objects in JSON, as written by COCO, Roboflow, CVAT and others. */
export const cocoLayout: Layout = {
  id: 'coco',
  about: 'COCO annotations in JSON, where all objects of a picture are of one class',
  async read(tree, { signal }) {
    const all: Annotations[] = [];
    for (const file of jsonFiles(tree, NAMED)) {
      const value = await jsonIn(file);
      if (value === undefined && NAMED.test(file.path))
        throw badAnnotations(file.path, 'it is not JSON, or it is larger than 256 MiB');
      if (isCoco(value)) all.push(annotationsOf(tree, file, shaped(COCO, value, file)));
    }
    return all.length > 0 ? readAnnotated(tree, 'COCO annotations', all, signal) : undefined;
  },
};

/** COCO's files of captions have no categories. */
function isCoco(value: unknown): boolean {
  const keys = keysOf(value);
  return ['images', 'annotations', 'categories'].every((key) => keys.has(key));
}

function annotationsOf(tree: Tree, file: SourceFile, coco: z.infer<typeof COCO>): Annotations {
  const names = byId(file, 'categories', coco.categories);
  const marks = new Map([...byId(file, 'images', coco.images).keys()].map((id) => [id, [] as Mark[]]));
  let [strays, unnamed] = [0, 0];
  const used = new Set<string>();
  for (const { image_id, category_id, bbox } of coco.annotations) {
    const category = names.get(category_id);
    const own = marks.get(image_id);
    if (!own) strays++;
    else if (!category) unnamed++;
    else if (own.push({ label: category.name, ...(bbox && { box: boxOf(bbox) }) })) used.add(category.name);
  }
  const unused = [...new Set(coco.categories.map(({ name }) => name))].filter((name) => !used.has(name));
  const folder = file.path.slice(0, file.path.lastIndexOf('/') + 1);
  return {
    file,
    pictures: coco.images.map(({ id, file_name: path, width, height }) => ({
      path,
      marks: marks.get(id) ?? [],
      ...(width && height && { size: { width, height } }),
    })),
    base: tree.files.some(
      ({ path }) => path.startsWith(folder) && path !== file.path && !path.endsWith('.json'),
    )
      ? folder
      : '',
    split: splitWithin(posix.parse(file.path).name) ?? splitNamed(posix.basename(folder)),
    findings: [
      ...strayMarks(file, strays, 'the file does not list the picture'),
      ...strayMarks(file, unnamed, 'the file does not list the category'),
      ...(unused.length > 0
        ? [info('unused-categories', `${file.path}: no picture shows ${quoted(unused)}.`, unused)]
        : []),
    ],
  };
}

/** `[x, y, width, height]` */
function boxOf([
  left = Number.NaN,
  top = Number.NaN,
  width = Number.NaN,
  height = Number.NaN,
]: number[]): Rectangle {
  return { left, top, width, height };
}

function byId<T extends { id: string | number }>(file: SourceFile, what: string, items: readonly T[]) {
  const known = new Map(items.map((item) => [item.id, item]));
  if (known.size === items.length) return known;
  throw badAnnotations(file.path, `two of its ${what} have the same id`);
}
