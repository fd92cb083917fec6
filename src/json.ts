/** Limits of a JSON text: the number of its values (numbers, texts, lists and objects), and how deep they are nested. */
export interface JsonBounds {
  readonly depth: number;
  readonly values: number;
}

/**
 * `JSON.parse` of a text from outside, within limits, because a hundred megabytes of brackets would become gigabytes of lists.
 * `refuse` receives the reason, and throws.
 */
export function parseJson(
  text: string,
  bounds: JsonBounds,
  refuse: (why: string, cause?: unknown) => never,
): unknown {
  const why = exceeded(text, bounds);
  if (why) return refuse(why);
  try {
    return JSON.parse(text);
  } catch (cause) {
    return refuse('it is not JSON', cause);
  }
}

const [QUOTE, COMMA, BACKSLASH] = [0x22, 0x2c, 0x5c];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/** The limit that the text exceeds, in words. Each opening bracket and each comma counts as one value. */
function exceeded(text: string, { depth, values }: JsonBounds): string | undefined {
  let open = 0;
  let count = 1;
  for (let at = 0; at < text.length; at++) {
    const character = text.charCodeAt(at);
    if (character === QUOTE) at = closingQuote(text, at);
    else if (character === COMMA) count++;
    else if (character === OPEN_LIST || character === OPEN_OBJECT) {
      count++;
      if (++open > depth) return `it is nested more than ${depth} deep`;
    } else if (character === CLOSE_LIST || character === CLOSE_OBJECT) open--;
    if (count > values) return `it has too many values (more than ${values})`;
  }
  return undefined;
}

function closingQuote(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const character = text.charCodeAt(at);
    if (character === QUOTE) return at;
    if (character === BACKSLASH) at++;
  }
  return text.length;
}
