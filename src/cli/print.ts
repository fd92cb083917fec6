import type { Failure } from '../classifier/types.ts';
import { TipAdapterError } from '../errors.ts';
import { renderText, type Table } from '../report/table.ts';
import type { Io } from './io.ts';

/** Seven digits are all that a 32-bit number holds. */
function round(value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(7)) : value;
}

/** A table as lines; on a terminal no wider than it, elsewhere nothing is cut. */
export function tableText<Row>(io: Io, table: Table<Row>): string {
  return renderText(table, { width: io.terminal ? io.width : undefined, color: io.color });
}

/** A value as one line of JSON. */
export function jsonLine(value: unknown): string {
  return JSON.stringify(value, (_, inner) => round(inner));
}

/** A value as JSON for programs and people. */
export function printJson(io: Io, value: unknown): void {
  io.stdout.write(`${JSON.stringify(value, (_, inner) => round(inner), 2)}\n`);
}

/** A picture that failed, as JSON shows it. */
export function failureJson({ image, error }: Failure) {
  const { code, hint } = error as Partial<TipAdapterError>;
  return {
    image,
    error: { code: error instanceof TipAdapterError ? code : 'unexpected', message: error.message, hint },
  };
}
