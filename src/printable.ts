/**
 * What a terminal obeys and what changes how a line is read: C0 and C1 controls with DEL, line and paragraph separators,
 * embeddings, overrides and isolates of the writing direction, and halves of surrogate pairs.
 */
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u202a-\u202e\u2066-\u2069]/gu;

const NAMED: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/**
 * One line that is safe to show, whatever file name, class name or foreign message it holds: control characters appear as
 * escapes (`\u001b`). The escapes are those of JSON, so a line of JSON keeps its meaning.
 */
export function printable(text: string): string {
  return text.replace(
    CONTROL,
    (character) => NAMED[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** A value as JSON that is safe to show: one line, or with `indent` one for each member. */
export function jsonText(
  value: unknown,
  { replacer, indent }: { replacer?: (key: string, value: unknown) => unknown; indent?: number } = {},
): string {
  return JSON.stringify(value, replacer, indent).split('\n').map(printable).join('\n');
}
