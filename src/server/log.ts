import { jsonText } from '../printable.ts';

/** Writes one line of JSON for each event. What is logged are names, numbers and ids, never a picture's content or a token. */
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

/** Bytes that may wait for whoever reads the log. */
const MOST_WAITING = 2 ** 20;

/** Writes to a stream whose reader may be slow: lines are dropped, and counted, rather than kept without end. */
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
