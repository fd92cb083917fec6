import stringWidth from 'string-width';
import { printable } from '../printable.ts';
import type { Io, Line } from './io.ts';

/** A stream on which lines are shown. */
export interface Screen {
  write(text: string): void;
  readonly terminal: boolean;
  readonly color: boolean;
  /** Columns at which lines are broken between words. Undefined: lines are not broken. */
  readonly wrapAt?: number;
}

/** Codes that turn a style on and off (ANSI). */
const STYLES = { bold: [1, 22], dim: [2, 22], red: [31, 39], yellow: [33, 39], cyan: [36, 39] } as const;

/** The writers of all lines to stdout and stderr. They keep control characters in a line's text from a terminal. */
export function writers(out: Screen, err: Screen): Pick<Io, 'print' | 'data' | 'note' | 'tell'> {
  const show = (screen: Screen, lines: readonly Line[]) => {
    screen.write(lines.map((line) => `${wrap(shown(line, screen.color), screen.wrapAt)}\n`).join(''));
  };
  const tell = (line: Line) => show(err, [line]);
  return {
    print: (lines) => show(out, [lines].flat()),
    data: (text) => out.write(out.terminal ? text.split(/\r?\n/).map(printable).join('\n') : text),
    note: tell,
    tell,
  };
}

function shown(line: Line, color: boolean): string {
  if (typeof line === 'string') return printable(line);
  const [on, off] = STYLES[line.style];
  const mark = printable(line.mark);
  const styled = color ? `\u001b[${on}m${mark}\u001b[${off}m` : mark;
  return line.text === undefined ? styled : `${styled} ${printable(line.text)}`;
}

/**
 * Breaks a line between words, so that a terminal of `width` columns does not break it inside a word. A line with columns is not
 * changed.
 */
export function wrap(line: string, width = Number.POSITIVE_INFINITY): string {
  if (stringWidth(line) <= width || /\S {2}/.test(line)) return line;
  const lines: string[] = [];
  for (const word of line.split(/(?<=\S) /)) {
    const longer = `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && stringWidth(longer) <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines.join('\n');
}
