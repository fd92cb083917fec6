import { DataError } from '../errors.ts';
import { parseJson as parseBounded } from '../json.ts';

/**
 * The text in a file's bytes: UTF-8, or UTF-16 as Excel, Notepad and PowerShell write it, with or without a byte order mark. Throws
 * `DataError` `dataset/encoding` for anything else.
 */
export function decodeText(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder(encodingOf(bytes), { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new DataError(`${name} is not in UTF-8`, {
      code: 'dataset/encoding',
      hint: 'Save it as UTF-8 (in Excel: "CSV UTF-8").',
      details: { path: name },
      cause,
    });
  }
}

/** Text of UTF-16 begins with its mark, or with a character whose other byte is zero. */
function encodingOf(bytes: Uint8Array): string {
  if (bytes.length < 2) return 'utf-8';
  const [first, second] = [bytes[0]!, bytes[1]!];
  if ((first === 0xff && second === 0xfe) || (first > 0 && second === 0)) return 'utf-16le';
  if ((first === 0xfe && second === 0xff) || (first === 0 && second > 0)) return 'utf-16be';
  return 'utf-8';
}

/** ImageNet's 1.28 million pictures with label and name are five million values. */
const BOUNDS = { depth: 64, values: 10_000_000 };

/** JSON whose objects name each key once: `JSON.parse` keeps the last of two. Throws `SyntaxError`, which says what is wrong. */
export function parseJson(text: string): unknown {
  const value = parseBounded(text, BOUNDS, (why, cause) => {
    throw cause ?? new SyntaxError(why);
  });
  const open: Set<string>[] = [];
  for (const [token] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"(?:\s*:)?|[{}]/g)) {
    if (token === '{') open.push(new Set());
    else if (token === '}') open.pop();
    else if (token.endsWith(':')) {
      // Escapes count as what they stand for: "a" and "\u0061" are one key.
      const key = JSON.parse(token.slice(0, token.lastIndexOf('"') + 1)) as string;
      const keys = open[open.length - 1]!;
      if (keys.has(key)) throw new SyntaxError(`the key "${key}" is given twice`);
      keys.add(key);
    }
  }
  return value;
}
