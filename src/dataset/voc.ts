import { posix } from 'node:path';
import type { XmlElement } from '@rgrove/parse-xml';
import { isImagePath } from '../image/image-paths.ts';
import { badAnnotations, readAnnotated } from './annotations.ts';
import type { Layout } from './dataset-layout.ts';
import type { Annotated, Mark } from './marks.ts';
import { heldOut, splitNamed, splitWithin } from './splits.ts';
import { decodeText } from './text-files.ts';
import type { SourceFile, Tree } from './tree.ts';
import type { Split } from './types.ts';
import { elementsIn, xmlIn } from './xml.ts';

/** Number of files that are read at the same time. */
const AT_ONCE = 64;

/** Annotations/, JPEGImages/ and ImageSets/Main of Pascal VOC, and the same XML beside the pictures (LabelImg). */
export const vocLayout: Layout = {
  id: 'voc',
  about: 'Pascal VOC annotations in XML, where all objects of a picture are of one class',
  async read(tree, { signal }) {
    const files = annotationsIn(tree);
    const [first] = files;
    if (!first) return undefined;
    const splits = await splitsIn(tree);
    const pictures: Annotated[] = [];
    for (let at = 0; at < files.length; at += AT_ONCE)
      pictures.push(
        ...(await Promise.all(files.slice(at, at + AT_ONCE).map((file) => pictureOf(tree, file)))),
      );
    const withSplits = pictures.map((picture) => {
      const split = splits.get(stemOf(picture.path)) ?? splitAbove(picture.path);
      return { ...picture, ...(split && { split }) };
    });
    const what = 'Pascal VOC annotations';
    const labelled = await readAnnotated(tree, what, [{ file: first, pictures: withSplits }], signal);
    return { ...labelled, files: [...files, ...listsIn(tree)] };
  },
};

/** XML files in a folder Annotations, or beside pictures of their names. */
function annotationsIn(tree: Tree): SourceFile[] {
  if (tree.table) return [];
  const files = tree.files.filter(({ path }) => /\.xml$/i.test(path));
  if (files.length === 0) return [];
  const pictures = new Set(
    tree.files.filter(({ path }) => isImagePath(path)).map(({ path }) => withoutEnding(path)),
  );
  return files.filter(({ path }) => /(^|\/)annotations\//i.test(path) || pictures.has(withoutEnding(path)));
}

/**
 * The picture of an annotation: the one with the same name in JPEGImages or beside it. The element `filename` is not used, because it is
 * often out of date.
 */
async function pictureOf(tree: Tree, file: SourceFile): Promise<Annotated> {
  const root = await xmlIn(file);
  if (root.name !== 'annotation')
    throw badAnnotations(file.path, `it begins with <${root.name}>, not with <annotation>`);
  const marks = elementsIn(root, 'object').map((object): Mark => {
    const label = elementsIn(object, 'name')[0]?.text.trim();
    if (!label) throw badAnnotations(file.path, 'an object has no name');
    const [box] = elementsIn(object, 'bndbox');
    return { label, ...(box && { box: boxOf(box) }) };
  });
  const [size] = elementsIn(root, 'size');
  const [width, height] = size ? [numberIn(size, 'width'), numberIn(size, 'height')] : [];
  const inImages = file.path.replace(/(^|\/)annotations\//i, '$1JPEGImages/');
  const hasImages = tree.top.folders.length > 0 && inImages !== file.path;
  return {
    path: withoutEnding(hasImages ? inImages : file.path),
    marks,
    ...(width && height && { size: { width, height } }),
  };
}

const numberIn = (element: XmlElement, name: string) =>
  Number.parseFloat(elementsIn(element, name)[0]?.text ?? '');

/** In Pascal VOC, pixels count from 1, and xmax and ymax are inside the box. */
function boxOf(box: XmlElement) {
  const [left, top] = [numberIn(box, 'xmin') - 1, numberIn(box, 'ymin') - 1];
  return { left, top, width: numberIn(box, 'xmax') - left, height: numberIn(box, 'ymax') - top };
}

/** The splits of pictures by their names, from the lists in ImageSets/Main: train.txt, cat_train.txt. */
async function splitsIn(tree: Tree): Promise<Map<string, Split>> {
  const splits = new Map<string, Split>();
  for (const file of listsIn(tree)) {
    const split = splitWithin(posix.parse(file.path).name.replace(/^.*_/, ''));
    const lines = decodeText(await file.read(), file.path).split(/\r?\n/);
    for (const line of lines) {
      const name = line.trim().split(/\s+/)[0];
      if (name && split) splits.set(name, heldOut(splits.get(name), split)!);
    }
  }
  return splits;
}

function listsIn(tree: Tree): SourceFile[] {
  return tree.files.filter(({ path }) => /(^|\/)imagesets\/main\/[^/]+\.txt$/i.test(path));
}

/** The split that is named by one of the folders around a picture. */
function splitAbove(path: string): Split | undefined {
  return path.split('/').slice(0, -1).map(splitNamed).find(Boolean);
}

const withoutEnding = (path: string) => path.replace(/\.[^./]*$/, '');
const stemOf = (path: string) => posix.basename(path);
