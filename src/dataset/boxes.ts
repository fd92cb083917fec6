import { createImageLoader, type ImageLoader } from '../image/loader.ts';
import { count } from '../words.ts';
import { warning } from './findings.ts';
import type { Lookup } from './lookup.ts';
import type { Annotated, Annotations, Mark, Rectangle } from './marks.ts';
import type { SourceFile } from './tree.ts';
import type { Finding } from './types.ts';

/** A mark with a usable box, and its index among the marks of its picture. */
interface Box {
  picture: Annotated;
  mark: Mark & { box: Rectangle };
  place: number;
}

/** The marks that have a box with an area. */
export function boxesOf(pictures: readonly Annotated[]): Box[] {
  return pictures.flatMap((picture) =>
    picture.marks.flatMap((mark, place) => (hasArea(mark) ? [{ picture, mark, place }] : [])),
  );
}

function hasArea(mark: Mark): mark is Box['mark'] {
  const { left, top, width, height } = mark.box ?? {};
  return [left, top, width, height].every(Number.isFinite) && width! > 0 && height! > 0;
}

/** Finds parts of pictures by the numbers of their boxes. */
export function lookupBoxes(boxes: readonly Box[], margin: number, lookup: Lookup): Lookup {
  return async (numbers, context) => {
    const wanted = numbers.map((number) => boxes[Number(number)]!);
    const files = await lookup(
      wanted.map(({ picture }) => picture.path),
      context,
    );
    return files.map((file, i) => file && partOf(file, wanted[i]!, margin));
  };
}

/** The part of a picture inside a box. It is decoded and cut out when it is read. */
function partOf(file: SourceFile, { picture, mark, place }: Box, margin: number): SourceFile {
  return {
    path: `${file.path}#${place + 1}`,
    read: async () => sharedLoader().crop(await file.read(), { ...mark.box, of: picture.size, margin }),
  };
}

let loader: ImageLoader | undefined;

/** The decoding processes for parts of pictures. Idle processes do not keep the program alive, so they need not be ended. */
function sharedLoader(): ImageLoader {
  loader ??= createImageLoader();
  return loader;
}

/** A warning about marks without a box. */
export function unboxed({ file, pictures }: Annotations): Finding[] {
  const without = pictures.flatMap(({ path, marks }) =>
    marks.flatMap((mark, i) => (hasArea(mark) ? [] : [`${path}#${i + 1}`])),
  );
  if (without.length === 0) return [];
  const what = count(without.length, 'annotation is', 'annotations are');
  return [
    warning('no-box', `${file.path}: ${what} left out, because there is no box with an area.`, without),
  ];
}
