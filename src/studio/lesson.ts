import type { ClassInfo } from '../dataset/types.ts';
import type { Board } from './board.ts';

/** The training data of a board: the classes that have pictures, and their pictures in order. */
export interface Lesson {
  readonly classes: readonly (ClassInfo & { readonly key: string })[];
  readonly examples: readonly LessonExample[];
}

interface LessonExample {
  readonly hash: string;
  /** The file's name, made unique. */
  readonly id: string;
  readonly label: number;
  /** Number of the group, which no fold separates. Pictures of a burst share one; every other picture has its own. */
  readonly group: number;
}

/** The lesson of the `usable` pictures of a board. The id of a class outside the studio is its name. */
export function lessonOf(
  { classes, pictures }: Board,
  usable: (hash: string) => boolean = () => true,
): Lesson {
  const sorted = [...pictures.values()].filter(({ classId, hash }) => classId && usable(hash));
  const filled = new Set(sorted.map(({ classId }) => classId));
  const taught = classes.filter(({ id }) => filled.has(id));
  const numbers = new Map(taught.map(({ id }, c) => [id, c]));
  const groups = new Map<string, number>();
  const names = new Map<string, number>();
  const examples = sorted.map(({ hash, name, classId, group = hash }) => {
    if (!groups.has(group)) groups.set(group, groups.size);
    const count = (names.get(name) ?? 0) + 1;
    names.set(name, count);
    const id = count === 1 ? name : `${name} (${hash.slice(0, 12)})`;
    return { hash, id, label: numbers.get(classId!)!, group: groups.get(group)! };
  });
  return {
    classes: taught.map(({ id: key, name }) => {
      const promptName = name.replaceAll('_', ' ');
      return { key, id: name, name: promptName, promptName, prompts: [] };
    }),
    examples,
  };
}
