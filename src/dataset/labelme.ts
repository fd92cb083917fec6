import { posix } from 'node:path';
import { z } from 'zod';
import { isImagePath } from '../image/image-paths.ts';
import { jsonIn, keysOf, readAnnotated, shaped } from './annotations.ts';
import type { Layout } from './dataset-layout.ts';
import { type Annotated, aroundPoints, type Mark } from './marks.ts';
import { splitNamed } from './splits.ts';
import type { SourceFile, Tree } from './tree.ts';

/** labelme's file for one picture: shapes with labels, and flags for the whole picture. */
const PICTURE = z.object({
  shapes: z.array(
    z.object({
      label: z.string(),
      points: z.array(z.array(z.number())).nullish().catch(undefined),
      shape_type: z.string().nullish(),
    }),
  ),
  flags: z.record(z.string(), z.boolean()).nullish(),
  imagePath: z.string().nullish(),
  imageWidth: z.number().nullish(),
  imageHeight: z.number().nullish(),
});

/** The layout of labelme: a JSON file for each picture. */
export const labelmeLayout: Layout = {
  id: 'labelme',
  about: 'a JSON file of labelme for each picture, whose shapes or flags are of one class',
  async read(tree, { signal }) {
    if (tree.table) return undefined;
    const files = await filesIn(tree);
    const [first] = files;
    if (!first) return undefined;
    const pictures: Annotated[] = [];
    for (const file of files) pictures.push(pictureOf(file, shaped(PICTURE, await jsonIn(file), file)));
    const labelled = await readAnnotated(tree, 'annotations of labelme', [{ file: first, pictures }], signal);
    return { ...labelled, files };
  },
};

/** All files of labelme. Empty if the first JSON file (one beside a picture, if there is one) is not from labelme. */
async function filesIn(tree: Tree): Promise<SourceFile[]> {
  const pictures = new Set(
    tree.files.filter(({ path }) => isImagePath(path)).map(({ path }) => stemOf(path)),
  );
  const files = tree.files.filter(({ path }) => /\.json$/i.test(path));
  const first = files.find(({ path }) => pictures.has(stemOf(path))) ?? files[0];
  if (!first || !isLabelme(await jsonIn(first))) return [];
  const all = await Promise.all(files.map(async (file) => ({ file, is: isLabelme(await jsonIn(file)) })));
  return all.filter(({ is }) => is).map(({ file }) => file);
}

function isLabelme(value: unknown): boolean {
  const keys = keysOf(value);
  return keys.has('shapes') && (keys.has('imagePath') || keys.has('flags'));
}

function pictureOf(
  { path }: SourceFile,
  { shapes, flags, imagePath, imageWidth, imageHeight }: z.infer<typeof PICTURE>,
): Annotated {
  const set = Object.entries(flags ?? {}).flatMap(([flag, isSet]) => (isSet ? [flag] : []));
  const folder = posix.dirname(path);
  const split = splitNamed(posix.basename(folder));
  return {
    path: imagePath ? posix.join(folder, imagePath.replaceAll('\\', '/')) : path.replace(/\.json$/i, ''),
    marks: shapes.length > 0 ? shapes.map(markOf) : set.map((label) => ({ label })),
    ...(imageWidth && imageHeight && { size: { width: imageWidth, height: imageHeight } }),
    ...(split && { split }),
  };
}

/** The box of a mark. A circle has two points: its centre and a point on it. */
function markOf({ label, points, shape_type }: z.infer<typeof PICTURE>['shapes'][number]): Mark {
  const [centre, edge] = points ?? [];
  if (!centre || !edge) return { label };
  if (shape_type !== 'circle') return { label, box: aroundPoints(points!) };
  const radius = Math.hypot(edge[0]! - centre[0]!, edge[1]! - centre[1]!);
  const around = [-radius, radius].map((r) => centre.map((value) => value + r));
  return { label, box: aroundPoints(around) };
}

const stemOf = (path: string) => path.replace(/\.[^./]*$/, '');
