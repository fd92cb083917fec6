import { DataError, throwIfAborted } from '../errors.ts';
import type { BoardPicture } from './board.ts';
import type { Session } from './session.ts';

/** Things of the sample that differ clearly, as many as the confusion matrix shows. */
const SAMPLE =
  `dog cat horse elephant penguin butterfly banana strawberry pizza bicycle sailboat guitar`.split(' ');

/** The artists of the drawings that become examples. Another one's drawings are tried. */
const ARTISTS = ['noto', 'openmoji', 'twemoji'];

const toTry = (thing: string) => `test/${thing}/fluent.png`;

/** The paths of the studio's drawings in the sample's folder. */
export const SAMPLE_PATHS = SAMPLE.flatMap((thing) => [
  ...ARTISTS.map((artist) => `train/${thing}/${artist}.png`),
  toTry(thing),
]);

/**
 * Puts sample pictures on an empty board in one step: three drawings each of some of the demo's things. `read` gives the drawing at a path in
 * the sample's folder. If it throws, or a drawing cannot be stored, the board is unchanged.
 */
export async function importSample(
  session: Session,
  read: (path: string) => Promise<Uint8Array>,
  signal?: AbortSignal,
): Promise<void> {
  const pictures: BoardPicture[] = [];
  const classes = SAMPLE.map((name) => ({ id: crypto.randomUUID(), name }));
  try {
    for (const { id, name } of classes) {
      for (const artist of ARTISTS) {
        throwIfAborted(signal);
        const drawing = await read(`train/${name}/${artist}.png`);
        const kept = await session.pictures.keep(`${name} ${artist}.png`, drawing);
        if ('problem' in kept) throw new DataError(kept.problem.message, kept.problem);
        pictures.push({ hash: kept.hash, name: kept.name, classId: id });
      }
    }
    const commands = [
      ...classes.map(({ id, name }) => ({ do: 'add-class', id, name }) as const),
      { do: 'add', pictures } as const,
    ];
    await session.change(...commands.map((command) => ({ command, step: 'sample pictures' })));
  } finally {
    await session.pictures.settle?.(pictures.map(({ hash }) => hash));
  }
}

/** Things of the sample that are on the board. Each has another drawing to try, which is not an example. */
export function samplesOf({ board }: Session): string[] {
  const names = new Set([...board.pictures.values()].map(({ name }) => name));
  return SAMPLE.filter((thing) => names.has(`${thing} ${ARTISTS[0]}.png`));
}

/** The path of the drawing of a thing that is not an example. Undefined if the thing is not in the sample. */
export function samplePathToTry(thing: string): string | undefined {
  return SAMPLE.includes(thing) ? toTry(thing) : undefined;
}
