/**
 * Characters that control a terminal or change how a line is displayed: C0 and C1 controls with DEL, line and paragraph separators,
 * embeddings, overrides and isolates of the writing direction, and lone surrogates.
 */
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u202a-\u202e\u2066-\u2069]/gu;

const NAMED: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/**
 * The text as one line that is safe to show, even if it contains a file name, class name or foreign message: control characters
 * become escapes (`\u001b`). The escapes are JSON's, so a line of JSON keeps its meaning.
 */
export function printable(text: string): string {
  return text.replace(
    CONTROL,
    (character) => NAMED[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** A value as JSON that is safe to show: on one line or, with `indent`, on one line for each member. */
export function jsonText(
  value: unknown,
  { replacer, indent }: { replacer?: (key: string, value: unknown) => unknown; indent?: number } = {},
): string {
  return JSON.stringify(value, replacer, indent).split('\n').map(printable).join('\n');
}
