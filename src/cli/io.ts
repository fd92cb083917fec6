/** How far a piece of work is; `cached` of the `done` came from the feature cache. */
export interface ProgressState {
  readonly done: number;
  readonly total?: number;
  readonly cached?: number;
  /** What is counted: things one by one (default), or bytes. */
  readonly unit?: 'bytes';
  /** What else is known, put behind: `loss 0.31`. */
  readonly facts?: string;
}

/** A bar that is drawn only on a terminal and erased at the end. */
export interface ProgressBar {
  update(state: ProgressState): void;
  done(): void;
}

/** What a command sees of the world: data goes to stdout, everything said to a person to stderr. */
export interface Io {
  readonly stdout: { write(text: string): void };
  readonly stderr: { write(text: string): void };
  /** Stdout is a terminal: tables are fitted to its width. */
  readonly terminal: boolean;
  /** Whether stdout takes colours; stderr decides for itself. */
  readonly color: boolean;
  /** Columns of the terminal; 80 where there is none. */
  readonly width: number;
  /** Fires at the first Ctrl-C. */
  readonly signal: AbortSignal;
  progress(title: string): ProgressBar;
  /** One line to the person, on stderr. */
  note(line: string): void;
  /** A yes-or-no question; no answer in 15 s is a no. Missing where nobody can answer. */
  readonly ask?: (question: string, signal?: AbortSignal) => Promise<boolean>;
  /** The lines of stdin. */
  lines(): AsyncIterable<string>;
}

/** The same, without progress, notes and questions. */
export function quiet(io: Io): Io {
  return { ...io, progress: () => ({ update() {}, done() {} }), note() {}, ask: undefined };
}
