import { DataError } from '../errors.ts';
import { plural } from '../words.ts';
import { isTarName } from './archive-names.ts';
import { quoted } from './findings.ts';
import { groupBy } from './groups.ts';
import { namesUnlabelled, splitNamed, splitWithin } from './splits.ts';
import type { Folder, Tree } from './tree.ts';

export const LAYOUT_HINT =
  'Give a folder with a folder for each class (photos/cat/1.jpg), the same inside train, val and test (photos/train/cat/1.jpg), a folder with a table index.csv or index.jsonl of the columns path and label, or one of these as a zip.';

const SPLITS_HINT =
  'Known splits are train, val (or valid, validation, dev) and test (or testing, eval, holdout). Rename the folders, give one of them, or list the pictures in an index.csv with the columns path,label,split.';

const LEVELS_HINT = `If the outer folders are splits: ${SPLITS_HINT} If they are the classes, move the pictures out of the inner folders.`;

/**
 * Decides whether the folders of this level are classes or splits. A class may be called "train" if its pictures lie directly in it.
 * Throws `DataError` if the folders may be either, or if it is not clear whether these folders or the ones inside are the classes.
 */
export function checkTops(tree: Tree, base: Folder): 'classes' | 'splits' {
  const tops = base.folders.filter(({ total }) => total > 0);
  const splits = tops.filter(({ name }) => splitNamed(name));
  const withClasses = splits.filter(isDeep);
  const others = tops.filter(({ name }) => !splitNamed(name));
  const unlabelled = others.filter((top) => namesUnlabelled(top.name) && !isDeep(top));
  if (splits.length > 0 && others.length === unlabelled.length) {
    if (withClasses.length > 0) return 'splits';
    const message = `The pictures are directly in ${names(splits)} of ${tree.root}, without class folders`;
    throw refusal(tree, 'no-classes', message, LAYOUT_HINT, splits);
  }
  const looksSplit = withClasses.filter(({ pictures }) => pictures.length === 0);
  if (looksSplit.length === 0) {
    checkClasses(tree, base, tops);
    return 'classes';
  }
  const classes = new Set(looksSplit.flatMap(childNames));
  const alike = others.filter((top) => childNames(top).some((name) => classes.has(name)));
  if (alike.length > 0) {
    const message = `${tree.root}/${base.path} holds ${names(alike)} beside ${names(looksSplit)} with the same folders inside, and ${plural(alike.length, 'its name is not that of a known split', 'their names are not those of known splits')}`;
    throw refusal(tree, 'unknown-split', message, SPLITS_HINT, alike);
  }
  if (looksSplit.length > 1) return 'splits';
  const split = looksSplit[0]!;
  throw refusal(
    tree,
    'ambiguous-layout',
    `${tree.root}/${base.path} is ambiguous: "${split.name}" looks like a split, ${names(others)} look like classes`,
    `Give one folder (for example ${tree.root}/${split.path}), or move the pictures so that all folders are splits or all are classes.`,
    [split, ...others],
  );
}

/** Throws `DataError` if folders that would be read as classes look like something else. */
function checkClasses(tree: Tree, base: Folder, tops: Folder[]): void {
  const flat = tops.filter(
    (top) => !isDeep(top) && (namesUnlabelled(top.name) || isHeldOut(top.name)) && tops.length > 1,
  );
  if (flat.length > 0) {
    const message = `${tree.root}/${base.path} is ambiguous: ${names(flat)} may be a class, or pictures to test on that have no label`;
    const hint = 'Move the folder elsewhere if it is not a class, or rename it if it is one.';
    throw refusal(tree, 'ambiguous-layout', message, hint, flat);
  }
  const halves = tops.filter(({ name }) => splitWithin(name) && !splitNamed(name));
  if (new Set(halves.map(({ name }) => splitWithin(name))).size > 1) {
    const message = `The names of the folders ${names(halves)} of ${tree.root} each hold a split and something else`;
    throw refusal(tree, 'unknown-split', message, SPLITS_HINT, halves);
  }
  const sets = tops.filter(holdsSplits);
  if (sets.length > 1 || (sets.length === 1 && tops.length > 1)) {
    const message = `${tree.root} holds several data sets: ${names(sets)}`;
    throw refusal(
      tree,
      'several',
      message,
      `Give one of them, for example ${tree.root}/${sets[0]!.path}.`,
      sets,
    );
  }
  const shared = sharedNames(tops);
  if (shared.length > 0) {
    const holders = tops.filter((top) => childNames(top).some((name) => shared.includes(name)));
    const message = `The folders ${names(holders)} of ${tree.root} hold folders of the same names, ${quoted(shared)}, so it is not clear which are the classes`;
    throw refusal(tree, 'unknown-split', message, LEVELS_HINT, holders);
  }
}

/** Whether a folder holds folders of splits with classes in them, at any depth. */
function holdsSplits({ folders }: Folder): boolean {
  return folders.some((inner) => (splitNamed(inner.name) && isDeep(inner)) || holdsSplits(inner));
}

/**
 * Names of inner folders that several outer folders share, if they hold most of the pictures and are at least half of the names: the
 * outer folders may then be splits with unknown names. Names of layouts and splits do not count, and neither does a single number (a
 * day, a session).
 */
function sharedNames(tops: readonly Folder[]): string[] {
  const deep = tops.filter(({ pictures, total }) => 2 * pictures.length < total);
  if (deep.length < 2 || deep.length < tops.length) return [];
  const all = groupBy(
    deep.flatMap(childNames).filter((name) => !namesNoClass(name)),
    (name) => name,
  );
  const shared = [...all].filter(([, { length }]) => length > 1).map(([name]) => name);
  if (2 * shared.length < all.size) return [];
  return shared.length > 1 || shared.some((name) => /\p{L}/u.test(name)) ? shared : [];
}

/** Folders that other programs' layouts use for all pictures, and folders that they put beside them. */
const PICTURE_FOLDERS = new Set([
  'image',
  'images',
  'img',
  'imgs',
  'jpegimages',
  'jpegs',
  'jpg',
  'upload',
  'uploads',
]);
const PARTS = new Set(
  `${[...PICTURE_FOLDERS].join(' ')} annotation annotations label labels mask masks imagesets segmentationclass
  segmentationobject gt groundtruth segmentation segmentations bboxes depth trimaps thumbnails previews`.split(
    /\s+/,
  ),
);

const plain = (name: string) => name.toLowerCase().replace(/[\s_-]/g, '');

/** Whether a folder has the name that layouts give the folder of all pictures. */
export function namesPictures(name: string): boolean {
  return PICTURE_FOLDERS.has(plain(name)) || isTarName(name);
}

/** Whether a folder has the name of a part of a layout, or of pictures without labels. */
export function namesNoClass(name: string): boolean {
  return PARTS.has(plain(name)) || splitNamed(name) !== undefined || namesUnlabelled(name);
}

/** Throws `DataError` if folders with names of a layout's parts would become classes. */
export function checkClassNames(tree: Tree, ids: readonly string[]): void {
  const own = [...new Set(ids)];
  if (!own.some(namesPictures)) return;
  const parts = own.filter((id) => PARTS.has(plain(id)) || isTarName(id));
  throw new DataError(
    `The folders ${quoted(parts)} of ${tree.root} have names of parts of a layout, not of classes`,
    { code: 'dataset/no-classes', hint: LAYOUT_HINT, details: { root: tree.root, folders: parts } },
  );
}

/** "Valid" beside "invalid" says whether a picture is usable, not its split. */
const isHeldOut = (name: string) =>
  splitNamed(name) === 'test' || (splitNamed(name) === 'val' && name.toLowerCase() !== 'valid');

const isDeep = ({ total, pictures }: Folder) => total > pictures.length;
const childNames = ({ folders }: Folder) => folders.filter(({ total }) => total > 0).map(({ name }) => name);
const names = (folders: readonly Folder[]) => quoted(folders.map(({ name }) => name));

function refusal(tree: Tree, code: string, message: string, hint: string, folders: Folder[]): DataError {
  return new DataError(message, {
    code: `dataset/${code}`,
    hint,
    details: { root: tree.root, folders: folders.map(({ path }) => path) },
  });
}
