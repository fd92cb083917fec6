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

/** A line for a person; `mark` is a styled part before the text. Control characters in it are shown as escapes. */
export type Line =
  | string
  | {
      readonly style: 'bold' | 'dim' | 'red' | 'yellow' | 'cyan';
      readonly mark: string;
      readonly text?: string;
    };

/** What a command sees of the world: results go to stdout, everything said to a person to stderr. */
export interface Io {
  /** Lines of results on stdout. */
  print(lines: Line | readonly Line[]): void;
  /** The address at which a command now answers, on stdout. Unlike other commands, it goes on if stdout is closed. */
  announce(address: string): void;
  /** Text for programs on stdout, byte for byte; on a terminal, control characters are shown as escapes. */
  data(text: string): void;
  /** A line to the person, on stderr; `--quiet` silences it. */
  note(line: Line): void;
  /** A line on stderr that is always told: errors. */
  tell(line: Line): void;
  /** Stdout is a terminal: tables are fitted to its width. */
  readonly terminal: boolean;
  /** Columns of the terminal; 80 where there is none. */
  readonly width: number;
  /** Fires at the first Ctrl-C. */
  readonly signal: AbortSignal;
  progress(title: string): ProgressBar;
  /** A yes-or-no question; no answer in 15 s is a no. Missing where nobody can answer. */
  readonly ask?: (question: string, signal?: AbortSignal) => Promise<boolean>;
  /** The answer to a question; `preset` where nothing is typed, undefined at Ctrl-C. Missing where nobody can answer. */
  readonly prompt?: (question: string, preset: string) => Promise<string | undefined>;
  /** The lines of stdin. */
  lines(): AsyncIterable<string>;
}

/** The same, without progress, notes and questions. */
export function quiet(io: Io): Io {
  return {
    ...io,
    progress: () => ({ update() {}, done() {} }),
    note() {},
    ask: undefined,
    prompt: undefined,
  };
}
