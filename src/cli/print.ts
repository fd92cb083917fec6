import type { Failure } from '../classifier/types.ts';
import { TipAdapterError } from '../errors.ts';
import { jsonText } from '../printable.ts';
import { renderText, type Table } from '../report/table.ts';
import type { Io, Line } from './io.ts';

/** Rounds numbers in JSON to seven digits, the precision of a 32-bit number. */
export function rounded(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(7)) : value;
}

/** A table as lines. On a terminal it fits the width; elsewhere nothing is cut. */
export function tableLines<Row>(io: Io, table: Table<Row>): Line[] {
  const [header, rule, ...rows] = renderText(table, { width: io.terminal ? io.width : undefined }).split(
    '\n',
  );
  return [{ style: 'bold', mark: header! }, { style: 'dim', mark: rule! }, ...rows];
}

/** Prints a value as indented JSON. */
export function printJson(io: Io, value: unknown): void {
  io.print(jsonText(value, { replacer: rounded, indent: 2 }).split('\n'));
}

/** Whether a part could not be read, and the unreadable files. */
export function partJson(unread: readonly Failure[]) {
  return { partial: unread.length > 0, failures: unread.map(failureJson) };
}

/** An unreadable picture in JSON. */
export function failureJson({ image, error }: Failure) {
  const { code, hint } = error as Partial<TipAdapterError>;
  return {
    image,
    error: { code: error instanceof TipAdapterError ? code : 'unexpected', message: error.message, hint },
  };
}
