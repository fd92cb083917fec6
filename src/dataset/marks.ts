import type { Region } from '../image/crop.ts';
import type { SourceFile } from './tree.ts';
import type { Finding, Split } from './types.ts';

/** A rectangle in a picture: in pixels, or in the unit of `Annotated.size`. */
export type Rectangle = Pick<Region, 'left' | 'top' | 'width' | 'height'>;

/** Something that is marked in a picture, or said of the picture as a whole. */
export interface Mark {
  label: string;
  box?: Rectangle;
}

/** The rectangle around points `[x, y]`. */
export function aroundPoints(points: readonly (readonly number[])[]): Rectangle {
  const [xs, ys] = [points.map(([x]) => x!), points.map(([, y]) => y!)];
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  return { left, top, width: Math.max(...xs) - left, height: Math.max(...ys) - top };
}

/** A picture as another program lists it: its path there, and all that is marked in it. */
export interface Annotated {
  path: string;
  marks: readonly Mark[];
  split?: Split;
  /** The size that the boxes refer to; absent for pixels of the picture. */
  size?: Region['of'];
}

/** The pictures that one file, or a folder of files, lists. */
export interface Annotations {
  /** The file, or the first of several, for messages. */
  file: SourceFile;
  pictures: readonly Annotated[];
  /** Where paths begin: '' or ends with `/`. */
  base?: string;
  /** Of pictures that name none. */
  split?: Split;
  findings?: readonly Finding[];
}
