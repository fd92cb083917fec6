/**
 * Natural order that is the same on every machine: runs of digits compare as numbers (`class_2` before `class_10`),
 * everything else by lower-cased code units; what is left equal falls back to the plain code units.
 */
export function naturalOrder(a: string, b: string): number {
  return compare(naturalKey(a), naturalKey(b)) || compare(a, b);
}

/** The items in natural order of their texts: each text is looked at once, however often it is compared. */
export function sortNaturally<T>(items: readonly T[], textOf: (item: T) => string): T[] {
  return items
    .map((item) => {
      const text = textOf(item);
      return { item, text, key: naturalKey(text) };
    })
    .sort((a, b) => compare(a.key, b.key) || compare(a.text, b.text))
    .map(({ item }) => item);
}

/**
 * A text whose code units compare as the texts do in natural order: a number becomes a unit that stands before all others, the count
 * of its digits, and the digits.
 */
function naturalKey(text: string): string {
  return text
    .normalize('NFC')
    .toLowerCase()
    .replace(/[0-9]+/g, (digits) => {
      const value = digits.replace(/^0+/, '');
      return `\u0000${String.fromCharCode(value.length)}${value}`;
    });
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
