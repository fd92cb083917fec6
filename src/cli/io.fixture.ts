import type { Io } from './io.ts';
import { writers } from './screen.ts';

/** The input and output of a command in a test. Output is recorded, and stdin has the given lines. */
export function recordingIo({
  lines = [],
  ...rest
}: Partial<Omit<Io, 'lines'>> & { lines?: readonly string[] } = {}): Io & { out(): string; err(): string } {
  const written = { out: '', err: '' };
  const screen = (name: keyof typeof written) => ({
    write(text: string) {
      written[name] += text;
    },
    terminal: rest.terminal ?? false,
    color: false,
  });
  return {
    ...writers(screen('out'), screen('err')),
    announce: (address) => screen('out').write(`${address}\n`),
    terminal: false,
    width: 80,
    signal: new AbortController().signal,
    progress: () => ({ update() {}, done() {} }),
    async *lines() {
      yield* lines;
    },
    ...rest,
    out: () => written.out,
    err: () => written.err,
  };
}
