import { UsageError } from './errors.ts';

/** A name that something had before. It works for one minor version more; `until` is the version that drops it. */
export interface Former {
  readonly name: string;
  readonly until: `${number}.${number}`;
}

const told = new Set<string>();

/** Tells a programmer once that something has another form now: as a warning of Node's, in a page on the console. */
function deprecate(message: string): void {
  if (told.has(message)) return;
  told.add(message);
  if (typeof process === 'object') process.emitWarning(message, 'DeprecationWarning');
  else console.warn(message);
}

/**
 * The given values under the names that a table of options has now. `note` is told of each that has its former one. Throws `UsageError`
 * where both are given.
 */
export function currentNames(
  table: Readonly<Record<string, { readonly formerly?: Former }>>,
  given: Readonly<Record<string, unknown>>,
  note: (message: string) => void = deprecate,
): Record<string, unknown> {
  const values = { ...given };
  for (const [name, { formerly }] of Object.entries(table)) {
    if (formerly === undefined || given[formerly.name] === undefined) continue;
    const [before, now] = [flagName(formerly.name), flagName(name)];
    if (given[name] !== undefined) {
      throw new UsageError(`Option ${now} is given twice: ${before} is its former name`, {
        code: 'option/twice',
        hint: `Leave out ${before}.`,
        details: { option: name, formerly: formerly.name },
      });
    }
    note(`Option ${before} is called ${now} now. The former name works until version ${formerly.until}.`);
    values[name] = given[formerly.name];
    delete values[formerly.name];
  }
  return values;
}

/** An option's name as it is typed: `maxBody` as `max-body`. */
export const flagName = (name: string): string =>
  name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** The signal of a call's options. Until 0.2 the signal itself may stand in their place. */
export function signalOf(work: { readonly signal?: AbortSignal } | AbortSignal): AbortSignal | undefined {
  if (!(work instanceof AbortSignal)) return work.signal;
  deprecate('A signal is given as { signal } now. The signal itself works until version 0.2.');
  return work;
}
