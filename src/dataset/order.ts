/**
 * Natural order that is the same on every machine: runs of digits compare as numbers (`class_2` before `class_10`),
 * everything else by lower-cased code units; what is left equal falls back to the plain code units.
 */
export function naturalOrder(a: string, b: string): number {
  const left = tokens(a);
  const right = tokens(b);
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const order = compareTokens(left[i], right[i]);
    if (order !== 0) return order;
  }
  return left.length - right.length || compare(a, b);
}

function tokens(text: string): string[] {
  return (
    text
      .normalize('NFC')
      .toLowerCase()
      .match(/[0-9]+|[^0-9]+/g) ?? []
  );
}

/** Numbers stand before texts, so that the order is a total one. */
function compareTokens(a: string, b: string): number {
  const numbers = [a, b].map((token) => /^[0-9]/.test(token));
  if (numbers[0] !== numbers[1]) return numbers[0] ? -1 : 1;
  if (!numbers[0]) return compare(a, b);
  const [x, y] = [a, b].map((digits) => digits.replace(/^0+/, ''));
  return x.length - y.length || compare(x, y);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
