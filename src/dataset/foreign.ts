import { posix } from 'node:path';
import { DataError } from '../errors.ts';
import { isImagePath } from '../image/image-paths.ts';
import { jsonIn, keysOf } from './annotations.ts';
import { LAYOUT_HINT } from './folder-checks.ts';
import type { SourceFile, Tree } from './tree.ts';

/** A data set in another program's format, which is not supported. */
interface Foreign {
  /** Name of the format: `COCO annotations`. */
  what: string;
  /** The file that it was recognised by. */
  file: string;
  hint?: string;
}

const TABLE_HINT =
  'Write a table with the columns path,label (and split, if known) from it, with a line for each picture, and save it as index.csv in the folder.';
const FILES_HINT =
  'Write its pictures as files, in a folder for each class: photos/cat/1.jpg, photos/dog/2.jpg.';
const ARRAYS_HINT = `${FILES_HINT} For features, give a folder with train.npy and an info.json that names the classes.`;
const UNPACK_HINT = 'Unpack it and give the folder; zip, tar and tar.gz are the archives that are read.';
const TFRECORD_HINT = `Write its pictures as files, in a folder for each class. With TensorFlow Datasets: import tensorflow_datasets as tfds; ds = tfds.load(name, split="train"), then save each example["image"] as train/<class>/<number>.png; the names of the classes are in info.features["label"].names.`;
const SUPERVISELY_HINT =
  'Export it as COCO or as Pascal VOC, or write a table with the columns path,label from it.';
const SAMPLES_HINT =
  'In Teachable Machine, choose "Download samples" of each class, and unpack each zip into a folder that is named for its class.';

/** File names that other programs' data sets are recognised by. */
const BY_NAME: readonly [RegExp, string, string][] = [
  [/\.arrow$/i, 'Arrow tables, as Hugging Face datasets saves them', FILES_HINT],
  [
    /\.(tar|tar\.gz|tgz)$/i,
    'a tar archive',
    'Give the archive itself, or a folder that holds only archives.',
  ],
  [/\.tm$/i, 'a project of Teachable Machine', SAMPLES_HINT],
  [/\.zip$/i, 'zip archives', 'Give one of the archives. An archive inside a zip has to be unpacked first.'],
  [/\.(tar\.\w+|tbz2?|txz|rar|7z)$/i, 'an archive', UNPACK_HINT],
  [/\.(tfrecords?|array_record)(-\d+-of-\d+)?$/i, 'TFRecord files', TFRECORD_HINT],
  [
    /(^|\/)(data_batch_\d|test_batch|batches\.meta)(\.bin|\.mat|\.txt)?$/,
    'CIFAR batches in part',
    'Put batches.meta (of the binary version: batches.meta.txt) and the batches into one folder. The version for Matlab is not read.',
  ],
  [/-idx[13]-ubyte(\.gz)?$/i, 'IDX files, as MNIST has them', FILES_HINT],
  [/\.(h5|hdf5|mat|npz|npy|pkl|pickle|pt|mdb|lmdb|rec)$/i, 'arrays in one file', ARRAYS_HINT],
  [/\.(xlsx?|xlsm|ods|numbers)$/i, 'a spreadsheet', 'Save it as "CSV UTF-8", with the columns path,label.'],
  [/\.manifest$/i, 'a manifest of Amazon SageMaker', TABLE_HINT],
  [/-imagelabels(-boxable)?\.csv$/i, "Open Images' labels of pictures", TABLE_HINT],
  [/\.lst$/i, 'a list of pictures of MXNet or Amazon SageMaker', TABLE_HINT],
  [/(^|\/)ann\/[^/]+\.[^/]+\.json$/i, 'annotations of Supervisely', SUPERVISELY_HINT],
  [/(^|\/)labels\/(.+\/)?[^/]+\.txt$|(^|\/)_darknet\.labels$/i, 'YOLO annotations', TABLE_HINT],
  [/(^|\/)list_attr_celeba\.(txt|csv)$/i, "CelebA's attributes", TABLE_HINT],
];

const LABEL_STUDIO = 'an export of Label Studio';

/** Largest number of files of a kind that are opened. */
const MOST_READ = 8;

/** The other program's data set that a tree's files are recognised as. Undefined if none is. */
export async function recogniseTree(tree: Tree): Promise<Foreign | undefined> {
  const files = tree.files.filter(({ path }) => !isImagePath(path));
  for (const [pattern, what, hint] of BY_NAME) {
    const file = files.find(({ path }) => pattern.test(path));
    if (file) return { what, file: file.path, hint };
  }
  const pictures = new Set(tree.files.filter(({ path }) => isImagePath(path)).map(({ path }) => stem(path)));
  const jsons = files.filter(({ path }) => /\.json$/i.test(path));
  for (const file of jsons.slice(0, MOST_READ)) {
    const what = await recogniseJson(file, pictures.has(stem(file.path)));
    if (what) return { what, file: file.path };
  }
  for (const file of files.filter(({ path }) => /\.ndjson$/i.test(path)).slice(0, MOST_READ)) {
    if (await isLabelbox(file)) return { what: 'an export of Labelbox', file: file.path };
  }
  const texts = files.filter(({ path }) => /\.txt$/i.test(path));
  for (const file of texts.slice(0, MOST_READ)) {
    const what = await recogniseText(file);
    if (what) return { what, file: file.path };
  }
  return undefined;
}

/** Throws `DataError` that names the recognised format, with a hint what to do. */
export function refuseForeign(root: string, { what, file, hint = TABLE_HINT }: Foreign): never {
  throw new DataError(`${root} holds ${what} (${file}), a layout that is not supported`, {
    code: 'dataset/foreign',
    hint,
    details: { root, file, what },
  });
}

/** Throws `DataError` that says what a file is if it is not a data set that is read. */
export async function refuseFile(file: SourceFile): Promise<never> {
  const { path } = file;
  const known = BY_NAME.find(([pattern]) => pattern.test(path));
  const what = known?.[1] ?? (/\.json$/i.test(path) ? await recogniseJson(file, false) : undefined);
  if (what !== undefined) {
    throw new DataError(`${path} is not supported: ${what}`, {
      code: 'dataset/foreign',
      hint: known?.[2] ?? TABLE_HINT,
      details: { file: path, what },
    });
  }
  const kind = isImagePath(path) ? 'a single picture' : 'neither a folder, a table nor an archive';
  throw new DataError(`${path} is ${kind}, and a data set is needed`, {
    code: 'dataset/kind',
    hint: LAYOUT_HINT,
    details: { path },
  });
}

async function recogniseJson(file: SourceFile, isBesidePicture: boolean): Promise<string | undefined> {
  const value = await jsonIn(file);
  if (Array.isArray(value)) {
    const keys = keysOf(value[0]);
    if (['annotation_id', 'annotations', 'choice'].some((key) => keys.has(key))) return LABEL_STUDIO;
    return Object.values(value[0] ?? {}).some(namesPicture) ? 'a list of pictures in JSON' : undefined;
  }
  const keys = keysOf(value);
  if ([...keys].slice(0, MOST_READ).some(namesPicture)) return 'a list of pictures in JSON';
  if (keys.has('images') && keys.has('annotations')) return 'COCO annotations';
  if (keys.has('samples') && /(^|\/)samples\.json$/i.test(file.path))
    return "FiftyOne's own format (FiftyOneImageClassificationDataset, another of its formats, is read)";
  if (keys.has('_via_img_metadata') || keys.has('_via_settings')) return 'annotations of VIA';
  if (keys.has('shapes') && (keys.has('imagePath') || isBesidePicture)) return 'annotations of LabelMe';
  return undefined;
}

const namesPicture = (value: unknown) => typeof value === 'string' && isImagePath(value);

async function isLabelbox(file: SourceFile): Promise<boolean> {
  const head = Buffer.from((await file.read()).subarray(0, 1000)).toString('utf8');
  return /^\s*\{/.test(head) && head.includes('"data_row"');
}

async function recogniseText(file: SourceFile): Promise<string | undefined> {
  const [line = ''] = Buffer.from((await file.read()).subarray(0, 1000))
    .toString('latin1')
    .split(/\r?\n/);
  if (/^\d+( -?\d*\.?\d+){4,}\s*$/.test(line)) return 'YOLO annotations';
  return /^\S+\.(jpe?g|png)[ \t]+\S/i.test(line) ? 'a list of pictures as text' : undefined;
}

/** The name without its ending, which a picture and its annotation share. */
function stem(path: string): string {
  return posix.basename(path).replace(/\.[^.]*$/, '');
}
