/** Progress of a piece of work. `cached` of the `done` items came from the feature cache. */
export interface ProgressState {
  readonly done: number;
  readonly total?: number;
  readonly cached?: number;
  /** The counted unit: items (default) or bytes. */
  readonly unit?: 'bytes';
  /** Further facts, shown at the end: `loss 0.31`. */
  readonly facts?: string;
}

/** A progress bar. It is drawn only on a terminal and erased at the end. */
export interface ProgressBar {
  update(state: ProgressState): void;
  done(): void;
}

/** A line for the user. `mark` is a styled part before the text. Control characters are shown as escapes. */
export type Line =
  | string
  | {
      readonly style: 'bold' | 'dim' | 'red' | 'yellow' | 'cyan';
      readonly mark: string;
      readonly text?: string;
    };

/** Input and output of a command. Results go to stdout, and messages for the user go to stderr. */
export interface Io {
  /** Lines of results on stdout. */
  print(lines: Line | readonly Line[]): void;
  /** Prints the address at which a command answers on stdout. The command continues if stdout is closed. */
  announce(address: string): void;
  /** Text for programs on stdout, unchanged. On a terminal, control characters are shown as escapes. */
  data(text: string): void;
  /** A note on stderr, which `--quiet` suppresses. */
  note(line: Line): void;
  /** A line on stderr that is always printed: errors. */
  tell(line: Line): void;
  /** Whether stdout is a terminal. Tables then fit its width. */
  readonly terminal: boolean;
  /** Columns of the terminal, 80 without a terminal. */
  readonly width: number;
  /** Fires at the first Ctrl-C. */
  readonly signal: AbortSignal;
  progress(title: string): ProgressBar;
  /** Asks a yes/no question. An empty line, and no answer within 15 s, is the preset (default no). Absent if nobody can answer. */
  readonly ask?: (question: string, signal?: AbortSignal, preset?: boolean) => Promise<boolean>;
  /** Asks a question and returns the answer: `preset` for an empty line, undefined at Ctrl-C. Absent if nobody can answer. */
  readonly prompt?: (question: string, preset: string) => Promise<string | undefined>;
  /** The lines of stdin. */
  lines(): AsyncIterable<string>;
}

/** The same input and output without progress, notes and questions. */
export function quiet(io: Io): Io {
  return {
    ...io,
    progress: () => ({ update() {}, done() {} }),
    note() {},
    ask: undefined,
    prompt: undefined,
  };
}
