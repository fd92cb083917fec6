import { posix } from 'node:path';
import { isImagePath, isOtherPicture } from '../image/image-paths.ts';
import { count } from '../words.ts';
import type { Labelled } from './dataset-layout.ts';
import { info, warning } from './findings.ts';
import { groupBy } from './groups.ts';
import { hiddenFindings } from './left-out.ts';
import { splitWithin } from './splits.ts';
import type { SourceFile, Tree } from './tree.ts';
import type { Finding } from './types.ts';

/** A kind of unused file, with the finding that reports it. */
interface Kind {
  code: string;
  tell: typeof info;
  is(file: SourceFile, labelled: Labelled): boolean;
  one: string;
  many: string;
}

/** The kinds of unused files. The first kind that fits is reported. */
const KINDS: readonly Kind[] = [
  {
    code: 'unlisted',
    tell: info,
    is: ({ path }) => isImagePath(path),
    one: 'picture in the folder is left out, because the table does not use it',
    many: 'pictures in the folder are left out, because the table does not use them',
  },
  {
    code: 'unread-formats',
    tell: warning,
    is: ({ path }) => isOtherPicture(path),
    one: 'picture is left out, because its format is not supported',
    many: 'pictures are left out, because their formats are not supported',
  },
  {
    code: 'archives',
    tell: warning,
    is: ({ path }) => /\.(zip|tar(\.\w+)?|tgz|tbz2?|txz|rar|7z)$/i.test(path),
    one: 'archive inside the data is left out; unpack it if its pictures belong to the data',
    many: 'archives inside the data are left out; unpack them if their pictures belong to the data',
  },
  {
    code: 'no-ending',
    tell: warning,
    is: ({ path }, { isListed }) => !isListed && path.includes('/') && !posix.basename(path).includes('.'),
    one: 'file without an ending is left out; pictures are recognised by their ending, such as .jpg',
    many: 'files without an ending are left out; pictures are recognised by their ending, such as .jpg',
  },
  {
    code: 'split-files',
    tell: warning,
    is: ({ path }, { pictures }) => listsSplit(path) && pictures.every(({ split }) => split === undefined),
    one: 'file is named for a split, but is not read, so all pictures may be learnt from; put them into train/ and test/, or list them in an index.csv with the columns path,label,split',
    many: 'files are named for splits, but are not read, so all pictures may be learnt from; put them into train/ and test/, or list them in an index.csv with the columns path,label,split',
  },
  {
    code: 'not-images',
    tell: info,
    is: () => true,
    one: 'file is left out, because it is not a picture',
    many: 'files are left out, because they are not pictures',
  },
];

/** Whether a file's name says that it lists the pictures of a split: `train.txt`, `testlist01.txt`, `train_test_split.txt`. */
function listsSplit(path: string): boolean {
  const { name, ext } = posix.parse(path);
  if (
    !/^\.(txt|csv|tsv|json|jsonl|lst|mat)$/i.test(ext) ||
    /log|config|arg|history|metric|result/i.test(name)
  )
    return false;
  return splitWithin(name.replace(/list(?=\d|$)/i, '')) !== undefined;
}

/** Reports the files of a tree that are neither used pictures nor files that were read. */
export function unusedFiles(tree: Tree, labelled: Labelled, read: readonly SourceFile[]): Finding[] {
  // For a table whose own path is given, the files beside it do not belong to the data.
  if (tree.table) return [];
  const { pictures, files = [], isListed } = labelled;
  // Pictures outside of class folders are reported with these files.
  const rest = new Set(tree.files.filter((file) => isListed || !isImagePath(file.path)));
  const hidden = new Set(tree.hidden);
  const used = (file: SourceFile) => rest.delete(file) || hidden.delete(file);
  if (rest.size + hidden.size > 0) for (const { file } of pictures) used(file);
  for (const file of [...read, ...files]) used(file);
  const kinds = groupBy(rest, (file) => KINDS.find(({ is }) => is(file, labelled)) as Kind);
  return [
    ...KINDS.flatMap((kind) => {
      const own = kinds.get(kind);
      if (!own) return [];
      const message = `${count(own.length, kind.one, kind.many)}.`;
      const paths = own.map(({ path }) => path);
      return [kind.tell(kind.code, message, paths)];
    }),
    ...hiddenFindings([...hidden]),
  ];
}
