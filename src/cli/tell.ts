import type { Finding } from '../dataset/types.ts';
import { number } from '../words.ts';
import type { Io } from './io.ts';

const SHOWN = 5;

/** Prints findings: warnings with their files, and other findings with one line each. */
export function tellFindings(io: Io, findings: readonly Finding[]): void {
  for (const { level, message, paths = [] } of findings) {
    if (level === 'info') {
      io.note(message);
      continue;
    }
    io.note({ style: 'yellow', mark: 'warning:', text: message });
    tellSome(io, paths);
  }
}

/** Prints the first lines of a list and the number of the others. */
export function tellSome(io: Io, lines: readonly string[]): void {
  for (const line of lines.slice(0, SHOWN)) io.note(`  ${line}`);
  if (lines.length > SHOWN) io.note(`  and ${number(lines.length - SHOWN)} more`);
}
