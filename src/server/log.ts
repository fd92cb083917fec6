import { jsonText } from '../printable.ts';

/** Logs an event. Facts are names, numbers and ids, never a picture's content or a token. */
export type Log = (
  level: 'info' | 'warn' | 'error',
  event: string,
  facts?: Readonly<Record<string, unknown>>,
) => void;

/** A log that writes one line of JSON for each event: time (ISO 8601), level, event and its facts. */
export function jsonLog(write: (line: string) => void): Log {
  return (level, event, facts = {}) =>
    write(`${jsonText({ time: new Date().toISOString(), level, event, ...facts })}\n`);
}

/** Largest number of bytes that wait for a slow reader of the log. */
const MOST_WAITING = 2 ** 20;

/** A function that writes lines to a stream. If the stream's reader is slow, lines are dropped and counted, so that memory is bounded. */
export function boundedWriter(stream: NodeJS.WritableStream & { writableLength: number }) {
  let dropped = 0;
  return (line: string): void => {
    if (stream.writableLength > MOST_WAITING) {
      dropped++;
      return;
    }
    if (dropped > 0) stream.write(`${JSON.stringify({ level: 'warn', event: 'lines-dropped', dropped })}\n`);
    dropped = 0;
    stream.write(line);
  };
}
