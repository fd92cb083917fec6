import { distance } from 'fastest-levenshtein';

/**
 * The known name that is most similar to an unknown one: at most a third of the characters (at least one) differ, or two
 * neighbouring characters are swapped. Case is ignored. Undefined if no name is that similar.
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

/** `Did you mean "dog"? `, to put before other advice; empty if no known name is similar. */
export function suggestion(unknown: string, known: Iterable<string>): string {
  const name = nearestName(unknown, known);
  return name === undefined ? '' : `Did you mean "${name}"? `;
}
