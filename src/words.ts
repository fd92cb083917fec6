/** A number with thousands separators: `1,600`. */
export function number(n: number): string {
  return n.toLocaleString('en');
}

/** The word that agrees with a count: `picture` or `pictures`, `is` or `are`. */
export function plural(n: number, one: string, many = `${one}s`): string {
  return n === 1 ? one : many;
}

/** A count and its noun: `1 picture`, `2 pictures`, `1,000 classes`. */
export function count(n: number, one: string, many?: string): string {
  return `${number(n)} ${plural(n, one, many)}`;
}

/** The classes that a figure covers, ` of 1 of 2 classes`, or nothing if it covers all or their number is not known. */
export function someClasses(covered: number | undefined, all: number): string {
  return covered === undefined || covered >= all
    ? ''
    : ` of ${number(covered)} of ${count(all, 'class', 'classes')}`;
}

/** Note beside uncalibrated probabilities. */
export const UNCALIBRATED =
  'Probabilities are not calibrated, because too few examples could be left out to calibrate them on.';

/** The type of a given value in words, for errors: `a number`, `a list`, `an object of type Date`. */
export function describedValue(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object'
    ? `an object of type ${value.constructor?.name ?? 'Object'}`
    : `a ${typeof value}`;
}
