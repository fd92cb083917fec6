import { addAbortSignal, type Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { DataError, TipAdapterError, throwIfAborted } from '../errors.ts';
import { count } from '../words.ts';

/** Largest size of the list in bytes, about half a million paths. There is a limit because stdin can be endless. */
const LONGEST_LIST = 2 ** 26;

/** Largest length of a line, longer than any path. */
const LONGEST_LINE = 2 ** 16;

/** The lines of stdin. Throws `DataError` `stdin/unreadable` and `stdin/too-long`, and `InterruptedError`. */
export async function* linesOf(stdin: Readable, signal: AbortSignal): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  let length = 0;
  try {
    for await (const chunk of addAbortSignal(signal, stdin) as AsyncIterable<Buffer>) {
      const lines = (rest + decoder.write(chunk)).split(/\r?\n/);
      rest = lines.pop() as string;
      length += chunk.length;
      if (rest.length > LONGEST_LINE || length > LONGEST_LIST) throw tooLong(rest.length > LONGEST_LINE);
      yield* lines;
    }
  } catch (error) {
    throwIfAborted(signal);
    if (error instanceof TipAdapterError) throw error;
    throw new DataError(`Stdin cannot be read: ${(error as Error).message}`, {
      code: 'stdin/unreadable',
      hint: 'Stdin must be a list of paths, one on each line.',
      cause: error,
    });
  }
  if (rest !== '') yield rest;
}

function tooLong(isLine: boolean): DataError {
  const what = isLine
    ? `a line of more than ${count(LONGEST_LINE, 'character')}, which is longer than any path`
    : `more than ${count(LONGEST_LIST, 'byte')}, the largest list that can be read`;
  return new DataError(`Stdin has ${what}`, {
    code: 'stdin/too-long',
    hint: 'Give a list of paths on stdin, one on each line. For more pictures, give their folder.',
  });
}
