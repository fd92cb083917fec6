import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { printable } from '../printable.ts';
import type { Io } from './io.ts';
import { linesOf } from './lines.ts';
import { terminalBar } from './progress.ts';
import { writers } from './screen.ts';

const PATIENCE = 15_000;
const WIDTH = 80;

/** Input and output on the process's streams. `interrupt` handles Ctrl-C while a question is open. */
export function processIo(signal: AbortSignal, interrupt: () => void): Io {
  const { stdin, stdout, stderr } = process;
  const bars = new Set<{ hide(): void }>();
  const hideBars = () => {
    for (const bar of bars) bar.hide();
  };
  const screen = (stream: NodeJS.WriteStream) => ({
    write(text: string) {
      hideBars();
      stream.write(text);
    },
    terminal: stream.isTTY === true,
    color: coloured(stream),
  });
  const withPerson = stdin.isTTY && stderr.isTTY;
  return {
    ...writers(screen(stdout), {
      ...screen(stderr),
      get wrapAt() {
        return stderr.isTTY ? columns(stderr) : undefined;
      },
    }),
    announce(address) {
      hideBars();
      try {
        // Without a callback, an error would be emitted on the stream.
        writeSync(stdout.fd, `${address}\n`);
      } catch {
        // Nobody reads stdout. The command continues.
      }
    },
    terminal: stdout.isTTY === true,
    get width() {
      return columns(stdout, stderr);
    },
    signal,
    progress(title) {
      if (!stderr.isTTY || isDumb()) return { update() {}, done() {} };
      const drawn = terminalBar(title, (text) => stderr.write(text), {
        width: () => columns(stderr),
      });
      bars.add(drawn);
      return drawn;
    },
    ask: withPerson
      ? (question, stop, preset = false) => {
          hideBars();
          return askPerson(question, preset, stop ? AbortSignal.any([signal, stop]) : signal, interrupt);
        }
      : undefined,
    prompt: withPerson
      ? (question, preset) => {
          hideBars();
          return promptPerson(question, preset, signal, interrupt);
        }
      : undefined,
    async *lines() {
      yield* linesOf(stdin, signal);
    },
  };
}

/** The width of the first terminal that has one. A terminal without a size has 0. */
function columns(...streams: readonly NodeJS.WriteStream[]): number {
  return streams.map((stream) => stream.columns).find((width) => width > 0) ?? WIDTH;
}

/** NO_COLOR and FORCE_COLOR have an effect with any value that is not empty (https://no-color.org, https://force-color.org). */
function coloured(stream: NodeJS.WriteStream): boolean {
  const { NO_COLOR, FORCE_COLOR } = process.env;
  if (NO_COLOR) return false;
  if (FORCE_COLOR) return FORCE_COLOR !== '0' && FORCE_COLOR !== 'false';
  return stream.isTTY === true && !isDumb();
}

/** A terminal without ANSI codes: it cannot show colours or erase a line. */
function isDumb(): boolean {
  return process.env.TERM === 'dumb';
}

/** The answer to a yes/no question. An empty line or no answer is the preset; the end of input and Ctrl-C are a no. */
function askPerson(
  question: string,
  preset: boolean,
  signal: AbortSignal,
  interrupt: () => void,
): Promise<boolean> {
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  return new Promise<boolean>((resolve) => {
    const settle = (answer: boolean) => {
      resolve(answer);
      reader.close();
    };
    const timed = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]);
    timed.addEventListener(
      'abort',
      () => {
        process.stderr.write('\n');
        settle(preset && !signal.aborted);
      },
      { once: true },
    );
    reader.once('SIGINT', interrupt);
    reader.once('close', () => resolve(false));
    reader.question(`${printable(question)} ${preset ? '[Y/n]' : '[y/N]'} `, (answer) =>
      settle(answer.trim() === '' ? preset : /^\s*y(es)?\s*$/i.test(answer)),
    );
  });
}

/** A line of text. An empty line gives the preset; the end of input and Ctrl-C give undefined. */
function promptPerson(
  question: string,
  preset: string,
  signal: AbortSignal,
  interrupt: () => void,
): Promise<string | undefined> {
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  return new Promise<string | undefined>((resolve) => {
    signal.addEventListener('abort', () => reader.close(), { once: true });
    reader.once('SIGINT', interrupt);
    let isAnswered = false;
    reader.once('close', () => {
      if (!isAnswered) process.stderr.write('\n');
      resolve(undefined);
    });
    const shown = preset ? ` [${printable(preset)}]` : '';
    reader.question(`${printable(question)}${shown} `, (answer) => {
      isAnswered = true;
      resolve(answer.trim() || preset);
      reader.close();
    });
  });
}
