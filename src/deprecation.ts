import { UsageError } from './errors.ts';

/** A former name. It works for one more minor version; `until` is the version that removes it. */
export interface Former {
  readonly name: string;
  readonly until: `${number}.${number}`;
}

const told = new Set<string>();

/** Warns a programmer, once, that a form is deprecated: by `process.emitWarning` in Node, on the console in a page. */
function deprecate(message: string): void {
  if (told.has(message)) return;
  told.add(message);
  if (typeof process === 'object') process.emitWarning(message, 'DeprecationWarning');
  else console.warn(message);
}

/**
 * The given values under the present names of a table of options. `note` is called for each value that is given under a former name.
 * Throws `UsageError` if an option is given under both names.
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

/** An option's name on the command line: `max-body` for `maxBody`. */
export const flagName = (name: string): string =>
  name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** The signal in a call's options. Until version 0.3, the signal itself may be given instead of options. */
export function signalOf(work: { readonly signal?: AbortSignal } | AbortSignal): AbortSignal | undefined {
  if (!(work instanceof AbortSignal)) return work.signal;
  deprecate('Give the signal as { signal }. The signal itself is accepted until version 0.3.');
  return work;
}
