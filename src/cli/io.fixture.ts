import type { Io } from './io.ts';
import { writers } from './screen.ts';

/** The world of a command in a test: what is written is kept, and stdin has the lines given. */
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
