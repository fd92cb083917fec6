import { distance } from 'fastest-levenshtein';

/**
 * The known name that an unknown one is a slip of: up to a third of its characters differ (at least one), or two neighbours are
 * swapped; case does not count. Undefined where no name is that near: a far one is no help.
 */
export function nearestName(unknown: string, known: Iterable<string>): string | undefined {
  const given = unknown.toLowerCase();
  let best: { name: string; edits: number } | undefined;
  for (const name of known) {
    const other = name.toLowerCase();
    const edits = distance(given, other);
    const isNear =
      edits <= Math.max(1, given.length / 3) || (edits === 2 && letters(given) === letters(other));
    if (isNear && edits < (best?.edits ?? Number.POSITIVE_INFINITY)) best = { name, edits };
  }
  return best?.name;
}

const letters = (text: string) => [...text].sort().join('');

/** `Did you mean "dog"? `, to stand before other advice, or nothing where no known name is near. */
export function suggestion(unknown: string, known: Iterable<string>): string {
  const name = nearestName(unknown, known);
  return name === undefined ? '' : `Did you mean "${name}"? `;
}
