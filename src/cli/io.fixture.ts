import { stripVTControlCharacters } from 'node:util';
import type { Io } from './io.ts';

/** The world of a command in a test: what is written is kept, and stdin has the lines given. */
export function recordingIo({
  lines = [],
  ...rest
}: Partial<Omit<Io, 'lines'>> & { lines?: readonly string[] } = {}): Io & { out(): string; err(): string } {
  const written = { out: '', err: '' };
  return {
    stdout: {
      write(text) {
        written.out += text;
      },
    },
    stderr: {
      write(text) {
        written.err += stripVTControlCharacters(text);
      },
    },
    terminal: false,
    color: false,
    width: 80,
    signal: new AbortController().signal,
    progress: () => ({ update() {}, done() {} }),
    note(line) {
      this.stderr.write(`${line}\n`);
    },
    async *lines() {
      yield* lines;
    },
    ...rest,
    out: () => written.out,
    err: () => written.err,
  };
}
