import { DataError } from '../errors.ts';
import { isImagePath, isOtherPicture } from '../image/image-paths.ts';
import { count, plural } from '../words.ts';
import type { Labelled, LabelledFile } from './dataset-layout.ts';
import { info, quoted, warning } from './findings.ts';
import { checkClassNames, checkTops, LAYOUT_HINT, namesPictures } from './folder-checks.ts';
import { groupBy } from './groups.ts';
import { spellingFindings, UNSURE, visible } from './names.ts';
import { namesUnlabelled, splitNamed } from './splits.ts';
import type { Folder, Tree } from './tree.ts';
import type { Finding, Split } from './types.ts';

/**
 * The folders that may hold the data: the root and, as long as all pictures of a level are in one folder, that folder
 * (archives often wrap their contents in one folder).
 */
export function candidateBases({ top }: Tree): Folder[] {
  const bases = [top];
  for (;;) {
    const base = bases[bases.length - 1]!;
    const [only, ...more] = base.folders.filter(mayBeClass);
    if (!only || more.length > 0 || base.pictures.length > 0) return bases;
    bases.push(only);
  }
}

/** Class and split of a folder's pictures. `odd` says why a finding reports them. */
interface Role {
  label?: string;
  split?: Split;
  odd?: 'outside' | 'nested' | 'unlabelled' | 'unsure' | 'ambiguous';
}

/** How class folders lie in a tree. */
export interface FolderPlan {
  base: Folder;
  layout: string;
  classIds: string[];
  /** By the folders' paths. */
  roles: Map<string, Role>;
  findings: Finding[];
}

/** Finds `<class>/*`, `<split>/<class>/*` or `<class>/<split>/*`. Throws `DataError` for any other arrangement. */
export function planFolders(tree: Tree): FolderPlan {
  const base = classBase(tree);
  if (base.total === 0 && !base.folders.some(mayBeClass)) throw noPictures(tree);
  const layout = checkTops(tree, base);
  const plan = layout === 'splits' ? planSplits(base) : planClasses(base);
  checkClassNames(tree, plan.classIds);
  if (base.path !== '') {
    const message = `All pictures are in ${base.path}; its sub-folders are the classes.`;
    plan.findings.unshift(info('wrapped', message));
  }
  return plan;
}

/** Labels the pictures of a tree by the folders they lie in. Throws `DataError` if there are none. */
export function readClassFolders(tree: Tree, { layout, classIds, roles, findings }: FolderPlan): Labelled {
  const odd = { outside: [], nested: [], unlabelled: [], unsure: [], ambiguous: [] } as Record<
    NonNullable<Role['odd']>,
    string[]
  >;
  const pictures: LabelledFile[] = [];
  for (const file of tree.files) {
    if (!isImagePath(file.path)) continue;
    const role = roles.get(file.path.slice(0, file.path.lastIndexOf('/') + 1)) ?? { odd: 'outside' };
    if (role.odd) odd[role.odd].push(file.path);
    if (role.odd === 'outside' || role.odd === 'ambiguous') continue;
    const { label, split } = role;
    pictures.push(split ? { file, label, split } : { file, label });
  }
  if (pictures.length === 0) throw noPictures(tree);
  const unread = unreadClasses(tree, roles, pictures);
  return { pictures, classIds, layout, findings: [...findings, ...unread, ...oddFindings(odd)] };
}

/**
 * Reports the classes that have unreadable files. Throws `DataError` if a class has no readable picture left: a classifier would never
 * answer this class, although there are pictures of it.
 */
function unreadClasses(
  { root, unreadable }: Tree,
  roles: ReadonlyMap<string, Role>,
  pictures: readonly LabelledFile[],
): Finding[] {
  const paths = groupBy(unreadable, ({ path }) => {
    const own = roles.get(`${path}/`) ?? roles.get(path.slice(0, path.lastIndexOf('/') + 1));
    return own?.label;
  });
  paths.delete(undefined);
  if (paths.size === 0) return [];
  const there = new Set(pictures.map(({ label }) => label));
  const names = [...paths.keys()] as string[];
  const empty = names.filter((name) => !there.has(name));
  if (empty.length > 0) {
    const classes = plural(empty.length, 'class', 'classes');
    throw new DataError(`No picture of the ${classes} ${quoted(empty)} of ${root} can be read`, {
      code: 'dataset/unreadable-class',
      hint: 'Check permissions and links, or remove the folders of these classes.',
      details: {
        root,
        classes: empty,
        paths: empty.flatMap((name) => paths.get(name)?.map(({ path }) => path) ?? []).slice(0, 20),
      },
    });
  }
  const message = `Files of ${count(names.length, 'class', 'classes')} cannot be read and are left out: ${quoted(names)}.`;
  return [warning('unreadable-class', message, names)];
}

/** A sole folder is a wrapper, not a class, if it has sub-folders and no pictures of its own. */
function classBase(tree: Tree): Folder {
  const bases = candidateBases(tree);
  let base = bases[0]!;
  for (const next of bases.slice(1)) {
    const deeper = next.folders.filter(({ total }) => total > 0);
    const isClassWithSplits = deeper.every(({ name, pictures, total }) => {
      return splitNamed(name) && pictures.length === total;
    });
    if (splitNamed(next.name) || deeper.length === 0 || isClassWithSplits || next.pictures.length > 0) break;
    base = next;
  }
  return base;
}

function planSplits(base: Folder): FolderPlan {
  const roles = new Map<string, Role>();
  const classNames: [string, string][] = [];
  const foreign: string[] = [];
  const splits = base.folders.filter(({ name }) => splitNamed(name));
  for (const outer of splits) {
    const split = splitNamed(outer.name) as Split;
    const folder = unwrapped(outer, split);
    roles.set(folder.path, { split, odd: 'unlabelled' });
    for (const inner of folder.folders) {
      if (!mayBeClass(inner)) {
        foreign.push(inner.path);
        continue;
      }
      const label = classId(inner);
      classNames.push([inner.name, label]);
      assign(roles, inner, { label, split, odd: 'nested' });
      roles.set(inner.path, { label, split });
    }
  }
  for (const folder of base.folders) {
    if (namesUnlabelled(folder.name)) assign(roles, folder, { odd: 'unlabelled' });
  }
  const names = splits.map(({ name }) => name);
  const findings = [
    ...foreignFindings(foreign),
    ...sameSplitFindings(names),
    ...spellingFindings('The folders', classNames),
  ];
  return {
    base,
    layout: `<split>/<class>/ folders (${names.join(', ')})`,
    classIds: [...new Set(classNames.map(([, id]) => id))],
    roles,
    findings,
  };
}

/** Archives of splits often put a folder of the same name, or one for all pictures, around the class folders. */
function unwrapped(folder: Folder, split: Split): Folder {
  const [only, ...more] = folder.folders.filter(({ total }) => total > 0);
  if (!only || more.length > 0 || folder.pictures.length > 0) return folder;
  const isOfPictures = namesPictures(only.name) && only.total > only.pictures.length;
  return isOfPictures || splitNamed(only.name) === split ? unwrapped(only, split) : folder;
}

function planClasses(base: Folder): FolderPlan {
  const roles = new Map<string, Role>();
  // Beside other folders, such a folder is not a class: it holds the pictures that predict was not sure of.
  const isUnsure = ({ name }: Folder) => name.toLowerCase() === UNSURE && base.folders.length > 1;
  const names = new Set(base.folders.map(classId));
  // Archives that were packed twice hold all classes once more, in a folder beside them.
  const isCopy = (folder: Folder) =>
    folder.total > folder.pictures.length &&
    folder.pictures.length === 0 &&
    folder.folders.every((inner) => names.has(classId(inner)) && classId(inner) !== classId(folder));
  const isClass = (folder: Folder) => mayBeClass(folder) && !isUnsure(folder) && !isCopy(folder);
  const classes = base.folders.filter(isClass);
  for (const folder of base.folders.filter(isCopy)) assign(roles, folder, { odd: 'ambiguous' });
  for (const folder of base.folders.filter(isUnsure)) assign(roles, folder, { odd: 'unsure' });
  const foreign = base.folders.filter((folder) => !mayBeClass(folder)).map(({ path }) => path);
  const classIds = classes.map(classId);
  const known = new Set(classIds);
  let hasSplits = false;
  for (const [i, folder] of classes.entries()) {
    const label = classIds[i];
    roles.set(folder.path, { label });
    for (const inner of folder.folders) {
      const split = splitNamed(inner.name);
      const innerId = classId(inner);
      if (split && inner.total > 0) hasSplits = true;
      if (innerId !== label && known.has(innerId)) assign(roles, inner, { odd: 'ambiguous' });
      else if (split) assign(roles, inner, { label, split });
      else assign(roles, inner, { label, odd: 'nested' });
    }
  }
  const layout = hasSplits ? '<class>/<split>/ folders' : '<class>/ folders';
  const written = classes.map(({ name }, i): [string, string] => [name, classIds[i]!]);
  const findings = [...foreignFindings(foreign), ...spellingFindings('The folders', written)];
  return { base, layout, classIds, roles, findings };
}

/** Gives a folder and its sub-folders a role. */
function assign(roles: Map<string, Role>, folder: Folder, role: Role): void {
  roles.set(folder.path, role);
  for (const inner of folder.folders) assign(roles, inner, role);
}

/** A name that consists only of invisible characters is not changed. */
const classId = ({ name }: Folder) => visible(name) || name;

/** An empty folder, or one with unreadable pictures only, is a class without examples. A folder of other files is not a class. */
function mayBeClass(folder: Folder): boolean {
  return folder.total > 0 || isEmpty(folder) || holdsOtherPictures(folder);
}

function isEmpty({ others, folders }: Folder): boolean {
  return others.length === 0 && folders.every(isEmpty);
}

function holdsOtherPictures({ others, folders }: Folder): boolean {
  return others.some(({ path }) => isOtherPicture(path)) || folders.some(holdsOtherPictures);
}

function foreignFindings(paths: string[]): Finding[] {
  if (paths.length === 0) return [];
  const folders = count(
    paths.length,
    'folder is not a class, because it holds files but no pictures',
    'folders are not classes, because they hold files but no pictures',
  );
  return [warning('not-classes', `${folders}.`, paths)];
}

function sameSplitFindings(names: readonly string[]): Finding[] {
  return [...groupBy(names, splitNamed)].flatMap(([split, same]) =>
    same.length > 1 ? [warning('same-split', `${quoted(same)} are all read as the split ${split}.`)] : [],
  );
}

function oddFindings({
  outside,
  unlabelled,
  unsure,
  nested,
  ambiguous,
}: Record<NonNullable<Role['odd']>, string[]>): Finding[] {
  const findings: Finding[] = [];
  const say = (code: string, paths: string[], verb: readonly [one: string, many: string], rest: string) => {
    if (paths.length === 0) return;
    const pictures = count(paths.length, `picture ${verb[0]}`, `pictures ${verb[1]}`);
    findings.push(warning(code, `${pictures} ${rest}.`, paths));
  };
  const out = ['is left out, because it is', 'are left out, because they are'] as const;
  say('outside-classes', outside, out, 'outside the class folders');
  say('nested', nested, ['is', 'are'], 'in sub-folders of a class folder; the outer folder is the class');
  say('ambiguous-class', ambiguous, out, 'in a class folder inside another class');
  say(
    'unlabelled',
    unlabelled,
    ['has no label, because it is', 'have no label, because they are'],
    'in no class folder',
  );
  say(
    'unsure',
    unsure,
    ['has no label, because it is', 'have no label, because they are'],
    `in the folder "${UNSURE}", into which predict --copy-to puts pictures that it is not sure of; rename it to make it a class`,
  );
  return findings;
}

function noPictures(tree: Tree): DataError {
  return new DataError(`${tree.root} has no labelled pictures (${contents(tree)})`, {
    code: 'dataset/empty',
    hint: LAYOUT_HINT,
    details: { root: tree.root, files: tree.files.length },
  });
}

/** A summary of the files that were found instead: `12 files: 10 .bmp, 2 .txt`, and of those left out. */
function contents({ files, hidden, findings }: Tree): string {
  const endings = [
    ...groupBy(files, ({ path }) => /\.[^./]+$/.exec(path)?.[0].toLowerCase() ?? 'without an ending'),
  ]
    .sort(([, a], [, b]) => b.length - a.length)
    .slice(0, 4)
    .map(([ending, { length }]) => `${count(length, ending, ending)}`);
  const there = files.length > 0 ? `${count(files.length, 'file')}: ${endings.join(', ')}` : 'it is empty';
  const hides = hidden.length > 0 ? [count(hidden.length, 'hidden file')] : [];
  return [there, ...hides, ...findings.map(({ message }) => message.replace(/\.$/, ''))].join('; ');
}
