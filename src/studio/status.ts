import { TipAdapterError } from '../errors.ts';
import { systemError } from '../system-error.ts';
import type { Check } from './check.ts';

/** What the page is told whenever it changes. Plain data: the page's only view of the program's work. */
export interface Status extends LessonStatus {
  /** Changes since the session was opened. */
  readonly version: number;
  /** The folder that everything is kept in. */
  readonly folder: string;
  /** Steps that can be undone and redone. */
  readonly undo: number;
  readonly redo: number;
  readonly encoder: EncoderStatus;
  /** CLIP, offered or on its way, where the built-in encoder answers. */
  readonly upgrade?: EncoderStatus;
}

/** A project of the workspace. */
interface ProjectFacts {
  readonly id: string;
  readonly name: string;
  readonly folder: string;
  readonly pictures: number;
  readonly classes: number;
}

/** What `GET /projects` tells. */
export interface Projects {
  readonly current: string;
  readonly projects: readonly ProjectFacts[];
}

export interface EncoderStatus {
  readonly state: 'loading' | 'offered' | 'declined' | 'downloading' | 'ready' | 'failed';
  readonly id?: string;
  readonly source?: string;
  readonly licence?: string;
  /** Whether its text side can be opened, as prompt learning needs. */
  readonly opensText?: boolean;
  /** Bytes of the download; undefined where the server tells only with the file. */
  readonly bytes?: number;
  readonly step?: 'download' | 'convert';
  readonly received?: number;
  readonly total?: number;
  readonly problem?: Problem;
}

export interface LessonStatus {
  readonly teaching: Teaching;
  readonly answering?: Answering;
  /** Number of the latest check; undefined where there is none for what is on the board. */
  readonly check?: number;
  /** Classes that could not be tested, as the last search found. */
  readonly untestable?: readonly Untestable[];
  /** Classes whose name is longer than what the encoder reads, by id. */
  readonly cut?: readonly string[];
}

/** Why no picture of a class can be left out: it is the only one, all are of one burst, or all are nearly the same. */
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
  /** Training so far: mean loss on the pictures taught, step by step. */
  readonly losses?: readonly number[];
  /** Of a training without a quarter of the pictures, the share of those that is recognised after each epoch. */
  readonly leftOut?: readonly number[];
  readonly stopped?: boolean;
  /** A training rests until it is told to go on. */
  readonly paused?: boolean;
  readonly problem?: Problem;
}

/** Who answers. */
export interface Answering {
  /** Raised whenever another classifier takes over. */
  readonly serial: number;
  readonly method: string;
  /** Names and shares of a stack's parts. */
  readonly parts?: readonly { readonly name: string; readonly share: number }[];
  /** `instant`: Tip-Adapter while the search goes on; `hand`: constants set by hand; `searched`: what the search found. */
  readonly by: 'instant' | 'hand' | 'searched';
  /** Whether its percentages were fitted to left-out pictures. */
  readonly calibrated: boolean;
  readonly classes: number;
  readonly pictures: number;
  /** Constants of Tip-Adapter: those in use, and those chosen by left-out pictures. */
  readonly alpha?: number;
  readonly beta?: number;
  readonly tuned?: { readonly alpha: number; readonly beta: number };
  /** Milliseconds from the change to this answerer. */
  readonly took: number;
}

export interface Problem {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
}

/** A check as the page shows it: examples by hash, classes by their place in `classes`. */
export interface CheckReport extends Omit<Check, 'answers'> {
  readonly serial: number;
  readonly method: string;
  readonly classes: readonly { readonly id: string; readonly name: string }[];
  readonly answers: readonly (Omit<Check['answers'][number], 'example'> & { readonly hash: string })[];
  /** Sets of pictures that are nearly the same, though not of one burst. */
  readonly alike: readonly (readonly string[])[];
}

/** Shares of left-out pictures that Tip-Adapter recognises at each of its constants, `recognised[beta][alpha]`. */
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
  /** Needs an encoder whose text side can be opened. */
  readonly opensText: boolean;
  /** Trains step by step, which can rest. */
  readonly trains: boolean;
}

/** A picture that is not sorted yet, and the classes it is most likely of. */
export interface NextPicture {
  readonly hash: string;
  readonly guesses: readonly { readonly id: string; readonly name: string; readonly probability: number }[];
}

/** The likeliest class of a picture that is not sorted yet. */
export interface Guess {
  readonly hash: string;
  readonly classId: string;
  readonly probability: number;
}

/** What a tried picture shows, and why. */
export interface Trial {
  readonly serial: number;
  readonly calibrated: boolean;
  readonly classes: readonly TrialClass[];
  /** The examples that counted most. */
  readonly nearest: readonly TrialNeighbour[];
  /** `cache` where the examples' part is a sum of votes. */
  readonly part: 'cache' | 'method';
  readonly milliseconds: number;
}

interface TrialClass {
  readonly id: string;
  readonly name: string;
  readonly probability: number;
  /**
   * What the name and the examples say for it beyond what they say for the class they say least for, in nats: an answer is e times as
   * probable where both together are one more.
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

/** An error as the page tells it. */
export function problemOf(error: unknown): Problem {
  const named = systemError(error) ?? error;
  if (named instanceof TipAdapterError) {
    return { code: named.code, message: named.message, hint: named.hint };
  }
  return { code: 'unexpected', message: (error as Error).message };
}
