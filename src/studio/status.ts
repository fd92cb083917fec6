import { TipAdapterError } from '../errors.ts';
import { systemError } from '../system-error.ts';
import type { OptionValue } from './board.ts';
import type { Check } from './check.ts';

/** The status that is sent to the page whenever it changes. The page sees the program's work only through it. */
export interface Status extends LessonStatus {
  /** Number of changes since the session was opened. */
  readonly version: number;
  /** The session's folder. */
  readonly folder: string;
  /** Numbers of steps that can be undone and redone. */
  readonly undo: number;
  readonly redo: number;
  readonly encoder: EncoderStatus;
  /** CLIP, while it is offered or downloaded and the built-in encoder is in use. */
  readonly upgrade?: EncoderStatus;
  /** The server for a phone, while it is open. */
  readonly phone?: PhoneStatus;
}

/** The open server for a phone. */
export interface PhoneStatus {
  /** The address that the phone opens; the token is behind `#`, so that it is in no request line. */
  readonly url: string;
  /** The class that the phone's page chooses at first. */
  readonly classId?: string;
  /** Number of pictures that have arrived. */
  readonly arrived: number;
}

/** A project of the workspace. */
interface ProjectFacts {
  readonly id: string;
  readonly name: string;
  readonly folder: string;
  readonly pictures: number;
  readonly classes: number;
  /** The reason why it cannot be read. The counts are then 0. */
  readonly problem?: Problem;
}

/** The answer of `GET /projects`. */
export interface Projects {
  readonly current: string;
  readonly projects: readonly ProjectFacts[];
}

export interface EncoderStatus {
  readonly state: 'loading' | 'offered' | 'declined' | 'downloading' | 'ready' | 'failed';
  readonly id?: string;
  readonly source?: string;
  readonly licence?: string;
  /** Whether its text tower can be opened, which prompt learning needs. */
  readonly opensText?: boolean;
  /** Whether rows have pre-projection features, which learning the projection needs. */
  readonly projects?: boolean;
  /** Whether class names are read. */
  readonly readsText?: boolean;
  /** Size of the download in bytes; undefined if the server gives it only with the file. */
  readonly bytes?: number;
  readonly step?: 'download' | 'convert';
  readonly received?: number;
  readonly total?: number;
  readonly problem?: Problem;
}

export interface LessonStatus {
  readonly teaching: Teaching;
  readonly answering?: Answering;
  /** Number of the latest check; undefined if there is none for the present board. */
  readonly check?: number;
  /** Classes that could not be tested in the last search. */
  readonly untestable?: readonly Untestable[];
  /** Ids of classes whose name is longer than the encoder can read. */
  readonly cut?: readonly string[];
}

/** The reason why no picture of a class can be left out: it is the only one, all are of one burst, or all are nearly the same. */
export interface Untestable {
  readonly id: string;
  readonly why: 'one' | 'burst' | 'alike';
}

export interface Teaching {
  /**
   * `waiting` for an encoder or for two classes with pictures, `looking` at new pictures (`done` of `total` on the board),
   * `searching` for a better method, `checking` it, `done`.
   */
  readonly stage: 'waiting' | 'looking' | 'searching' | 'checking' | 'done';
  readonly done?: number;
  readonly total?: number;
  /** Mean loss on the training pictures, for each step of the training so far. */
  readonly losses?: readonly number[];
  /** Accuracy after each epoch on a quarter of the pictures, which is left out of this training. */
  readonly leftOut?: readonly number[];
  readonly stopped?: boolean;
  /** Whether the training is paused. */
  readonly paused?: boolean;
  readonly problem?: Problem;
}

/** The present classifier. */
export interface Answering {
  /** Number of the classifier, increased whenever another one replaces it. */
  readonly serial: number;
  readonly method: string;
  /** Names and shares of a stack's parts. */
  readonly parts?: readonly { readonly name: string; readonly share: number }[];
  /** `instant`: Tip-Adapter while the search goes on; `hand`: constants set by hand; `searched`: what the search found. */
  readonly by: 'instant' | 'hand' | 'searched';
  /** Whether its probabilities were calibrated on left-out pictures. */
  readonly calibrated: boolean;
  readonly classes: number;
  readonly pictures: number;
  /** Constants of Tip-Adapter: those in use, and those tuned on left-out pictures. */
  readonly alpha?: number;
  readonly beta?: number;
  readonly tuned?: { readonly alpha: number; readonly beta: number };
  /** Values of the method's options in use. */
  readonly options: Readonly<Record<string, OptionValue>>;
  /** Milliseconds from the change of the board to this classifier. */
  readonly took: number;
}

export interface Problem {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
}

/** A check in the form that the page gets: examples by hash, classes by their index in `classes`. */
export interface CheckReport extends Omit<Check, 'answers'> {
  readonly serial: number;
  readonly method: string;
  /** Number of pictures that were learnt from. Those that could not be left out are not in the check's `total`. */
  readonly pictures: number;
  readonly classes: readonly { readonly id: string; readonly name: string }[];
  readonly answers: readonly (Omit<Check['answers'][number], 'example'> & { readonly hash: string })[];
  /** Sets of pictures that are nearly the same, though not of one burst. */
  readonly alike: readonly (readonly string[])[];
  /** The results of the latest checks for each class, this one last. */
  readonly past: readonly PastCheck[];
}

/** The results of a check by the id of the class. */
export type PastCheck = Readonly<Record<string, { readonly correct: number; readonly total: number }>>;

/** Tip-Adapter's accuracy on left-out pictures, 0..1, at each pair of constants: `recognised[beta][alpha]`. */
export interface SearchMap {
  readonly alphas: readonly number[];
  readonly betas: readonly number[];
  readonly recognised: readonly (readonly number[])[];
}

/** A method that can be chosen. */
export interface MethodFacts {
  readonly id: string;
  readonly name: string;
  readonly paper: string;
  /** Whether it needs an encoder whose text tower can be opened. */
  readonly opensText: boolean;
  /** Whether it learns the projection of the image tower. */
  readonly projects: boolean;
  /** Whether it needs class names. */
  readonly readsText: boolean;
  /** Whether it trains in steps, so that it can be paused. */
  readonly trains: boolean;
  /** Options that can be set. */
  readonly options: readonly OptionFacts[];
}

/** An option of a method. */
export interface OptionFacts {
  readonly name: string;
  /** One sentence, in English. */
  readonly help: string;
  readonly kind: 'number' | 'text' | 'flag' | 'choice';
  readonly choices?: readonly string[];
}

/** An unsorted picture, and its most probable classes. */
export interface NextPicture {
  readonly hash: string;
  readonly guesses: readonly { readonly id: string; readonly name: string; readonly probability: number }[];
}

/** The most probable class of an unsorted picture. */
export interface Guess {
  readonly hash: string;
  readonly classId: string;
  readonly probability: number;
}

/** The answer to a tried picture, and its explanation. */
export interface Trial {
  readonly serial: number;
  readonly calibrated: boolean;
  readonly classes: readonly TrialClass[];
  /** The examples that counted most. */
  readonly nearest: readonly TrialNeighbour[];
  /** `cache` if the examples' part of the score is a sum of votes. */
  readonly part: 'cache' | 'method';
  readonly milliseconds: number;
}

interface TrialClass {
  readonly id: string;
  readonly name: string;
  readonly probability: number;
  /**
   * The parts of the class's score from its name and from the examples, each minus its smallest value over the classes, in nats: if
   * the sum of both is larger by 1, the class is e times as probable.
   */
  readonly text: number;
  readonly examples: number;
}

interface TrialNeighbour {
  readonly hash: string;
  readonly className: string;
  readonly similarity: number;
  readonly weight?: number;
}

/** An error in the form that the page gets. */
export function problemOf(error: unknown): Problem {
  const named = systemError(error) ?? error;
  if (named instanceof TipAdapterError) {
    return { code: named.code, message: named.message, hint: named.hint };
  }
  return { code: 'unexpected', message: (error as Error).message };
}
