import type { BoardJson } from '../board.ts';
import type { Change } from '../history.ts';
import type { HeldOut, Kept } from '../pictures.ts';
import type {
  CheckReport,
  Guess,
  MethodFacts,
  NextPicture,
  Problem,
  Projects,
  SearchMap,
  Status,
  Trial,
} from '../status.ts';

/** A problem that the back end reported. `status` is an HTTP status, 409 if the board has another version. */
export class ApiError extends Error {
  readonly status: number;
  readonly problem: Problem;

  constructor(status: number, problem: Problem) {
    super(problem.message);
    this.name = 'ApiError';
    this.status = status;
    this.problem = problem;
  }
}

/** The names of the exports, each of which is saved as a file. */
export type Export = 'classifier' | 'report' | 'page' | 'site' | 'onnx' | 'card' | 'project';

interface BackendEvents {
  onOpen(): void;
  onStatus(status: Status): void;
  /** The back end does not answer, or is in use elsewhere. */
  onCut(): void;
  /** The back end cannot be used, or cannot do a part of its work. */
  onProblem(problem: Problem): void;
  /** Whether the browser has promised to keep what the page stores. Not called where a program stores it. */
  onStorage(isPromised: boolean): void;
}

/**
 * The part that keeps the board and learns: the program that served the page or, without a program, a worker of the page. Calls reject with
 * `ApiError`, or with another error if the program does not answer.
 */
export interface Backend {
  /** Whether a program serves the page. Without one, all work is done in the page. */
  readonly hasProgram: boolean;
  /** Whether it answers. */
  isThere(): Promise<boolean>;
  /** Follows the back end while the page is open. `onOpen` is called at the beginning and when it answers again. */
  follow(events: BackendEvents): void;
  board(): Promise<{ version: number; board: BoardJson }>;
  change(version: number, changes: readonly Change[]): Promise<{ version: number }>;
  methods(): Promise<MethodFacts[]>;
  answerDownload(download: boolean): Promise<unknown>;
  answerUpgrade(download: boolean): Promise<unknown>;
  projects(): Promise<Projects>;
  changeProject(
    wanted: { do: 'create' | 'duplicate'; name: string } | { do: 'open'; id: string },
  ): Promise<Projects>;
  /** The source of the sample pictures: the npm registry, or the page's own site. Undefined if there are none. */
  sampleSource(): Promise<'npm' | 'site' | undefined>;
  sample(): Promise<unknown>;
  samples(): Promise<string[]>;
  /** The addresses of this computer that a phone may reach. */
  networkAddresses(): Promise<string[]>;
  openToPhone(address: string, classId: string): Promise<unknown>;
  closeToPhone(): Promise<unknown>;
  stop(): Promise<unknown>;
  pause(paused: boolean): Promise<unknown>;
  keep(name: string, picture: Blob): Promise<Kept>;
  keepZip(name: string, zip: Blob): Promise<(Kept | HeldOut)[]>;
  try(picture: Blob): Promise<Trial>;
  /** The answer includes the pictures of `kept`, which the person is looking at. */
  next(kept: readonly string[]): Promise<NextPicture[]>;
  guesses(): Promise<Guess[]>;
  preview(picture: Blob): Promise<Blob>;
  map(): Promise<SearchMap | null>;
  size(): Promise<number>;
  check(): Promise<CheckReport | null>;
  /** The URL of an export; undefined if `export` makes it. */
  exportUrl(what: Export): string | undefined;
  export(what: Export): Promise<{ name: string; content: Blob }>;
  /** Ends the claims of pictures that were kept, once each is on the board or will not be. Those that the board does not remember are removed. */
  settle?(hashes: readonly string[]): Promise<void>;
  /** Removes deleted pictures, which undo then does not bring back. Resolves with the size of their files in bytes. */
  removeDeleted?(): Promise<number>;
  /** A zip of all pictures of a project that cannot be opened. Undefined where they are files in a folder that the person can open. */
  rescue?(id: string): Promise<{ name: string; content: Blob }>;
  sampleUrl(thing: string): string;
  previewUrl(hash: string): string;
  thumbnailUrl(hash: string): string;
}

/** The page's back end, which its entry sets before anything is rendered. */
export let api: Backend;

export function setBackend(backend: Backend): void {
  api = backend;
}

export const sampleUrl = (thing: string) => api.sampleUrl(thing);
export const previewUrl = (hash: string) => api.previewUrl(hash);
export const thumbnailUrl = (hash: string) => api.thumbnailUrl(hash);

export type { CheckReport, HeldOut, Kept, MethodFacts, NextPicture, Problem, SearchMap, Status, Trial };
