import { nameKey, visible } from '../dataset/names.ts';

/**
 * The board: classes and pictures in order, and the person's settings. Boards are immutable data and changes are pure functions, so
 * that the page and the program get the same board from the same change.
 */
interface BoardClass {
  readonly id: string;
  readonly name: string;
}

export interface BoardPicture {
  /** Sha256 (hex) of the file's bytes. A picture is on the board at most once. */
  readonly hash: string;
  /** Name of the person's file. */
  readonly name: string;
  /** Undefined if the picture is not sorted yet. */
  readonly classId?: string;
  /** The burst of the picture. A fold never separates pictures of one burst. */
  readonly group?: string;
}

export interface Settings {
  /** A method's id, or `auto`. */
  readonly method: string;
  /** Answers less probable than this are "none of these". */
  readonly reject: number;
  /** Constants of Tip-Adapter that are set by hand; undefined if they are tuned. */
  readonly alpha?: number;
  readonly beta?: number;
  /** Options of the method that are set by hand; the others are tuned, or the method's own. */
  readonly options?: Readonly<Record<string, OptionValue>>;
}

export type OptionValue = number | string | boolean;

export interface Board {
  /** The person's name of the project; '' if it has none. */
  readonly name: string;
  readonly classes: readonly BoardClass[];
  readonly pictures: ReadonlyMap<string, BoardPicture>;
  readonly settings: Settings;
  /** Hashes of pictures whose class, or whose similarity to another one, the person confirmed. */
  readonly confirmed: ReadonlySet<string>;
}

/** A board as JSON. */
export interface BoardJson {
  readonly name: string;
  readonly classes: readonly BoardClass[];
  readonly pictures: readonly BoardPicture[];
  readonly settings: Settings;
  readonly confirmed: readonly string[];
}

/** All changes that a person can make to a board. A command about a class or picture that no longer exists has no effect. */
export type Command =
  | { readonly do: 'add'; readonly pictures: readonly BoardPicture[] }
  | { readonly do: 'place'; readonly hashes: readonly string[]; readonly classId?: string }
  | { readonly do: 'discard'; readonly hashes: readonly string[] }
  | { readonly do: 'confirm'; readonly hashes: readonly string[] }
  | { readonly do: 'add-class'; readonly id: string; readonly name: string }
  | { readonly do: 'rename-class'; readonly id: string; readonly name: string }
  | { readonly do: 'merge-classes'; readonly from: string; readonly into: string }
  | { readonly do: 'discard-class'; readonly id: string }
  | { readonly do: 'name'; readonly name: string }
  | { readonly do: 'set'; readonly settings: Settings };

export const EMPTY_BOARD: Board = {
  name: '',
  classes: [],
  pictures: new Map(),
  settings: { method: 'auto', reject: 0 },
  confirmed: new Set(),
};

/** Whether two names denote the same class. */
export function sameName(a: string, b: string): boolean {
  return nameKey(a) === nameKey(b);
}

/** The board after a command; the same object if nothing changes. */
export function applyCommand(board: Board, command: Command): Board {
  switch (command.do) {
    case 'add':
      return addPictures(board, command.pictures);
    case 'place':
      return placePictures(board, command.hashes, command.classId);
    case 'discard':
      return discardPictures(board, new Set(command.hashes));
    case 'confirm':
      return confirm(board, command.hashes);
    case 'add-class':
      return addClass(board, command);
    case 'rename-class':
      return renameClass(board, command);
    case 'merge-classes':
      return mergeClasses(board, command.from, command.into);
    case 'discard-class':
      return discardClass(board, command.id);
    case 'name':
      return nameBoard(board, command.name.normalize('NFC').trim());
    case 'set':
      return { ...board, settings: command.settings };
  }
}

function nameBoard(board: Board, name: string): Board {
  return name === board.name ? board : { ...board, name };
}

const knows = ({ classes }: Board, id: string | undefined) => classes.some((known) => known.id === id);

function addPictures(board: Board, added: readonly BoardPicture[]): Board {
  const fresh = added.filter(({ hash }) => !board.pictures.has(hash));
  if (fresh.length === 0) return board;
  const pictures = new Map(board.pictures);
  for (const picture of fresh) {
    const { classId, ...rest } = picture;
    pictures.set(picture.hash, knows(board, classId) ? picture : rest);
  }
  return { ...board, pictures };
}

function placePictures(board: Board, hashes: readonly string[], classId?: string): Board {
  if (classId !== undefined && !knows(board, classId)) return board;
  const moved = hashes.flatMap((hash) => board.pictures.get(hash) ?? []);
  if (moved.every((picture) => picture.classId === classId)) return board;
  const pictures = new Map(board.pictures);
  for (const picture of moved) pictures.set(picture.hash, { ...picture, classId });
  return { ...board, pictures, confirmed: without(board.confirmed, new Set(hashes)) };
}

function confirm(board: Board, hashes: readonly string[]): Board {
  const fresh = hashes.filter((hash) => board.pictures.has(hash) && !board.confirmed.has(hash));
  return fresh.length === 0 ? board : { ...board, confirmed: new Set([...board.confirmed, ...fresh]) };
}

function discardPictures(board: Board, gone: ReadonlySet<string>): Board {
  const pictures = new Map([...board.pictures].filter(([hash]) => !gone.has(hash)));
  if (pictures.size === board.pictures.size) return board;
  return { ...board, pictures, confirmed: without(board.confirmed, gone) };
}

const without = <T>(set: ReadonlySet<T>, gone: ReadonlySet<T>): ReadonlySet<T> =>
  new Set([...set].filter((one) => !gone.has(one)));

function addClass(board: Board, { id, name }: BoardClass): Board {
  const clean = visible(name);
  if (clean === '' || board.classes.some((known) => known.id === id || sameName(known.name, clean)))
    return board;
  return { ...board, classes: [...board.classes, { id, name: clean }] };
}

/** Renames a class. If another class has the new name, the two are merged. */
function renameClass(board: Board, { id, name }: BoardClass): Board {
  const clean = visible(name);
  if (clean === '' || !knows(board, id)) return board;
  const twin = board.classes.find((known) => known.id !== id && sameName(known.name, clean));
  if (twin) return mergeClasses(board, id, twin.id);
  return { ...board, classes: board.classes.map((known) => (known.id === id ? { id, name: clean } : known)) };
}

function mergeClasses(board: Board, from: string, into: string): Board {
  if (from === into || !knows(board, from) || !knows(board, into)) return board;
  const pictures = new Map(
    [...board.pictures].map(([hash, picture]) => [
      hash,
      picture.classId === from ? { ...picture, classId: into } : picture,
    ]),
  );
  return { ...board, pictures, classes: board.classes.filter(({ id }) => id !== from) };
}

function discardClass(board: Board, id: string): Board {
  if (!knows(board, id)) return board;
  const own = [...board.pictures.values()].filter(({ classId }) => classId === id);
  const kept = discardPictures(board, new Set(own.map(({ hash }) => hash)));
  return { ...kept, classes: board.classes.filter((known) => known.id !== id) };
}

export function boardToJson({ name, classes, pictures, settings, confirmed }: Board): BoardJson {
  return { name, classes, pictures: [...pictures.values()], settings, confirmed: [...confirmed] };
}

export function boardFromJson({ name, classes, pictures, settings, confirmed }: BoardJson): Board {
  return {
    name,
    classes,
    settings,
    pictures: new Map(pictures.map((picture) => [picture.hash, picture])),
    confirmed: new Set(confirmed),
  };
}
