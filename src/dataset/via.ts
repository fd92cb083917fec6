import { z } from 'zod';
import { badAnnotations, jsonFiles, jsonIn, keysOf, readAnnotated, shaped } from './annotations.ts';
import type { Layout } from './dataset-layout.ts';
import { quoted } from './findings.ts';
import { groupBy } from './groups.ts';
import { type Annotated, type Annotations, aroundPoints, type Mark } from './marks.ts';
import { splitNamed } from './splits.ts';
import { parseJson, parseTable } from './text-files.ts';
import type { SourceFile, Tree } from './tree.ts';

const ATTRIBUTES = z.record(z.string(), z.unknown());
const REGION = z.object({ shape_attributes: ATTRIBUTES, region_attributes: ATTRIBUTES });

/** The pictures of a VGG Image Annotator project or export, by keys of name and size. */
const PICTURES = z.record(
  z.string(),
  z.object({
    filename: z.string(),
    regions: z.union([z.array(REGION), z.record(z.string(), REGION)]),
    file_attributes: ATTRIBUTES.nullish(),
  }),
);

/** The JSON of the VGG Image Annotator: a project, or only its annotations. */
export const viaLayout: Layout = {
  id: 'via',
  about:
    'annotations of the VGG Image Annotator (VIA) in JSON, where all regions of a picture are of one class',
  async read(tree, { signal }) {
    const all: Annotations[] = [];
    for (const file of jsonFiles(tree, /(^|\/)via_[^/]*\.json$/i)) {
      const value = await jsonIn(file);
      const pictures = isItem(value) && isItem(value._via_img_metadata) ? value._via_img_metadata : value;
      if (!isVia(pictures)) continue;
      const folder = file.path.slice(0, file.path.lastIndexOf('/') + 1);
      const split = splitNamed(folder.slice(0, -1).split('/').at(-1) ?? '');
      const annotated = Object.values(shaped(PICTURES, pictures, file)).map((one) => pictureOf(file, one));
      all.push({ file, pictures: annotated, base: folder, ...(split && { split }) });
    }
    all.push(...(await csvFiles(tree)));
    return all.length > 0 ? readAnnotated(tree, 'annotations of VIA', all, signal) : undefined;
  },
};

/** The tables of VIA: a line for each region, with its attributes as JSON. */
async function csvFiles(tree: Tree): Promise<Annotations[]> {
  const all: Annotations[] = [];
  const files = tree.table ? [] : tree.files.filter(({ path }) => /(^|\/)via[^/]*\.csv$/i.test(path));
  for (const file of files) {
    const { columns, rows } = parseTable(await file.read(), file.path);
    const name = columns.find((column) => /^#?filename$/.test(column));
    if (!name || !columns.includes('region_shape_attributes')) continue;
    const pictures = [...groupBy(rows, (row) => row[name]!)].map(([filename, own]) => {
      const parsed = (text = '') => ATTRIBUTES.parse(parseJson(text || '{}'));
      const regions = own
        .filter(({ region_count }) => region_count !== '0')
        .map((row) => ({
          shape_attributes: parsed(row.region_shape_attributes),
          region_attributes: parsed(row.region_attributes),
        }));
      return pictureOf(file, { filename, regions, file_attributes: parsed(own[0]!.file_attributes) });
    });
    all.push({ file, pictures, base: file.path.slice(0, file.path.lastIndexOf('/') + 1) });
  }
  return all;
}

function isVia(value: unknown): boolean {
  const [first] = isItem(value) ? Object.values(value) : [];
  const keys = keysOf(first);
  return keys.has('filename') && keys.has('regions');
}

function pictureOf(
  file: SourceFile,
  { filename, regions, file_attributes }: z.infer<typeof PICTURES>[string],
): Annotated {
  const marks = Object.values(regions).flatMap(({ shape_attributes, region_attributes }): Mark[] =>
    labelsIn(file, region_attributes).map((label) => ({ label, ...boxIn(shape_attributes) })),
  );
  const own = marks.length > 0 ? marks : labelsIn(file, file_attributes ?? {}).map((label) => ({ label }));
  return { path: filename, marks: own };
}

const LABEL_KEYS = ['label', 'class', 'category', 'type', 'name', 'species'];

/**
 * The classes among a region's attributes: those of the attribute with a usual name, or of the only one. A choice of several is an object
 * of flags.
 */
function labelsIn(file: SourceFile, attributes: Readonly<Record<string, unknown>>): string[] {
  const keys = Object.keys(attributes).filter((key) => attributes[key] !== '');
  const key = LABEL_KEYS.find((name) => keys.some((one) => one.toLowerCase() === name));
  const own = keys.find((one) => one.toLowerCase() === key) ?? keys[0];
  if (own === undefined) return [];
  if (key === undefined && keys.length > 1)
    throw badAnnotations(file.path, `it is not known which of ${quoted(keys)} is the class`);
  const value = attributes[own];
  return isItem(value) ? Object.keys(value).filter((name) => value[name]) : [String(value)];
}

/** The rectangle of a shape or around it. A line or a point has no box. */
function boxIn(shape: Readonly<Record<string, unknown>>): Pick<Mark, 'box'> {
  const { name, x, y, width, height, cx, cy, r, rx = r, ry = r, all_points_x, all_points_y } = shape;
  if (name === 'rect')
    return { box: { left: Number(x), top: Number(y), width: Number(width), height: Number(height) } };
  if (name === 'circle' || name === 'ellipse') {
    const [dx, dy] = [Number(rx), Number(ry)];
    return { box: { left: Number(cx) - dx, top: Number(cy) - dy, width: 2 * dx, height: 2 * dy } };
  }
  if (name !== 'polygon' || !Array.isArray(all_points_x) || !Array.isArray(all_points_y)) return {};
  return { box: aroundPoints(all_points_x.map((value, i) => [Number(value), Number(all_points_y[i])])) };
}

const isItem = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
