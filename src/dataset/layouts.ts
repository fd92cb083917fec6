import { DataError, UsageError } from '../errors.ts';
import { cifarLayout } from './cifar.ts';
import { cocoLayout } from './coco.ts';
import { coopLayout } from './coop-splits.ts';
import { createmlLayout } from './createml.ts';
import { cvatLayout } from './cvat.ts';
import type { Labelled, LabelledFile, Layout, LayoutResult } from './dataset-layout.ts';
import { datumaroLayout } from './datumaro.ts';
import { fiftyoneLayout } from './fiftyone.ts';
import { flowersLayout } from './flowers.ts';
import { gtsrbLayout } from './gtsrb.ts';
import { givenTable, indexLayout } from './indexes.ts';
import { labelStudioLayout } from './label-studio.ts';
import { labelmeLayout } from './labelme.ts';
import { mnistLayout } from './mnist.ts';
import { visible } from './names.ts';
import { parquetLayout } from './parquet.ts';
import { petsLayout } from './pets.ts';
import { roboflowLayout } from './roboflow.ts';
import { scenesLayout } from './scenes.ts';
import { severalSets } from './several-sets.ts';
import { stl10Layout } from './stl10.ts';
import { svhnLayout } from './svhn.ts';
import { teachableMachineLayout } from './teachable-machine.ts';
import { tinyImagenetLayout } from './tiny-imagenet.ts';
import type { Tree } from './tree.ts';
import type { Split } from './types.ts';
import { classFolders, foreignData, tableLayout, whereUnmarked } from './unmarked.ts';
import { viaLayout } from './via.ts';
import { vocLayout } from './voc.ts';
import { webdatasetLayout } from './webdataset.ts';
import { yoloLayout } from './yolo.ts';

/** The first layout that matches is read. Layouts that are marked by a file come before layouts of folders alone. */
const builtIn: readonly Layout[] = [
  whereUnmarked(labelStudioLayout),
  givenTable,
  indexLayout,
  coopLayout,
  scenesLayout,
  gtsrbLayout,
  severalSets,
  ...[
    cocoLayout,
    createmlLayout,
    petsLayout,
    flowersLayout,
    tinyImagenetLayout,
    vocLayout,
    cvatLayout,
    datumaroLayout,
    fiftyoneLayout,
    labelmeLayout,
    viaLayout,
    roboflowLayout,
    parquetLayout,
    yoloLayout,
    webdatasetLayout,
    teachableMachineLayout,
    cifarLayout,
    mnistLayout,
    stl10Layout,
    svhnLayout,
  ].map(whereUnmarked),
  tableLayout,
  foreignData,
  classFolders,
];

const own = new Map<string, Layout>();
const SPLITS: readonly Split[] = ['train', 'val', 'test'];

/**
 * Registers a layout in this process and returns it. `readDataset`, and with it every command, tries registered layouts in the order
 * of registration, before the built-in ones. Throws `UsageError` if another layout has the same id.
 *
 * ```ts
 * // Pictures in one folder, named <class>-<number>.jpg.
 * registerLayout({
 *   id: 'prefix',
 *   about: 'pictures named <class>-<number>.jpg',
 *   async read({ files }) {
 *     const pictures = files.flatMap((file) => {
 *       const [, label] = /^(\w+)-\d+\.jpg$/.exec(file.path) ?? [];
 *       return label ? [{ file, label }] : [];
 *     });
 *     return pictures.length > 0 ? { pictures } : undefined;
 *   },
 * });
 * ```
 */
export function registerLayout<L extends Layout>(layout: L): L {
  const { id } = layout;
  const other = own.get(id) ?? builtIn.find((one) => one.id === id);
  if (other !== undefined && other !== layout) {
    throw new UsageError(`There are two layouts "${id}"`, {
      code: 'layout/taken',
      hint: 'Give one of them another id.',
      details: { id },
    });
  }
  own.set(id, layout);
  return layout;
}

/** The labelled pictures of a tree, read by the first layout that matches. Throws `DataError` if none matches. */
export async function readLayout(tree: Tree, signal?: AbortSignal): Promise<Labelled> {
  for (const layout of tree.table ? [] : own.values()) {
    const result = await layout.read(tree, { signal });
    if (result) return complete(layout, checked(layout, result));
  }
  for (const layout of builtIn) {
    const result = await layout.read(tree, { signal });
    if (result) return complete(layout, result);
  }
  throw new Error('Class folders are the last layout, which answers or throws');
}

function complete({ about }: Layout, result: LayoutResult): Labelled {
  const classIds = result.classIds ?? [...new Set(result.pictures.flatMap(({ label }) => label ?? []))];
  return { layout: about, findings: [], ...result, classIds };
}

/** Throws `DataError` if the result of a registered layout is not a data set. Its labels are cleaned as those of built-in layouts. */
function checked({ id }: Layout, result: LayoutResult): LayoutResult {
  const refuse = (what: string) =>
    new DataError(`The layout "${id}" returned ${what}`, {
      code: 'dataset/layout',
      hint: 'The type Layout of tip-adapter/dataset says what a layout returns.',
      details: { layout: id },
    });
  if (!Array.isArray(result.pictures)) throw refuse('no list of pictures');
  const paths = new Set<string>();
  const pictures = result.pictures.map((picture: LabelledFile): LabelledFile => {
    const { file, label, split } = picture ?? {};
    if (typeof file?.path !== 'string' || typeof file.read !== 'function')
      throw refuse('a picture without a file of the tree');
    if (paths.has(file.path)) throw refuse(`the picture ${file.path} twice`);
    paths.add(file.path);
    if (label !== undefined && (typeof label !== 'string' || visible(label) === ''))
      throw refuse(`a label of ${file.path} that is not a text`);
    if (split !== undefined && !SPLITS.includes(split))
      throw refuse(`the split "${split}" of ${file.path}, which is not train, val or test`);
    return label === undefined ? picture : { ...picture, label: visible(label) };
  });
  if (!pictures.some(({ label }) => label !== undefined)) throw refuse('no picture with a label');
  return { ...result, pictures };
}
