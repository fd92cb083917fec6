import type { Region } from '../image/crop.ts';
import type { SourceFile } from './tree.ts';
import type { Finding, Split } from './types.ts';

/** A rectangle in a picture, in pixels or in the unit of `Annotated.size`. */
export type Rectangle = Pick<Region, 'left' | 'top' | 'width' | 'height'>;

/** An annotation of a part of a picture, or of the whole picture. */
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

/** A picture as an annotation file lists it: its path there, and all its annotations. */
export interface Annotated {
  path: string;
  marks: readonly Mark[];
  split?: Split;
  /** The group of its boxes. Default: its path. */
  group?: string;
  /** The size that the boxes refer to. Absent for pixels of the picture. */
  size?: Region['of'];
}

/** The pictures that one annotation file, or a folder of them, lists. */
export interface Annotations {
  /** The file, or the first of several. Messages name it. */
  file: SourceFile;
  pictures: readonly Annotated[];
  /** Prefix of the paths: '' or ends with `/`. */
  base?: string;
  /** Split of the pictures that name none. */
  split?: Split;
  findings?: readonly Finding[];
}
