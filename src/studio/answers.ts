import { UsageError } from '../errors.ts';
import { boardToJson } from './board.ts';
import type { Desk } from './desk.ts';
import type { Session } from './session.ts';
import type { CheckReport, Projects, Trial } from './status.ts';
import type { LessonClassifier } from './teacher.ts';
import { tryPicture } from './trial.ts';

/** The board in the form that the page gets. */
export const boardAnswer = ({ version, board }: Session) => ({ version, board: boardToJson(board) });

/** The answer for a tried picture. Throws `UsageError` if there is no classifier yet. */
export async function trialAnswer(session: Session, picture: Uint8Array): Promise<Trial> {
  return tryPicture(presentClassifier(session), session.status.answering!.serial, picture);
}

/** The present classifier. Throws `UsageError` if there is none yet. */
export function presentClassifier<C extends LessonClassifier>({ answering }: { answering?: C }): C {
  if (answering) return answering;
  throw new UsageError('There is no classifier yet', {
    code: 'studio/nothing-taught',
    hint: 'Add pictures of two classes.',
  });
}

/** The latest check in the form that the page gets; null if there is none for the present board. */
export function checkAnswer({ lessons }: Session): CheckReport | null {
  const checked = lessons?.check;
  if (!checked) return null;
  const { check, serial, classifier, lesson, alike, past } = checked;
  return {
    ...check,
    serial,
    alike,
    past,
    method: classifier.data.method,
    pictures: lesson.examples.length,
    classes: lesson.classes.map(({ key, name }) => ({ id: key, name })),
    answers: check.answers.map(({ example, ...answer }) => ({
      ...answer,
      hash: lesson.examples[example]!.hash,
    })),
  };
}

/** Opens, creates or duplicates a project. */
export async function changeProject(
  desk: Desk,
  wanted: { do: 'open'; id: string } | { do: 'create' | 'duplicate'; name: string },
): Promise<Projects> {
  if (wanted.do === 'open') await desk.switchTo(wanted.id);
  else await desk[wanted.do](wanted.name);
  return desk.projects();
}
