import { quoted, warning } from './findings.ts';
import { visible } from './names.ts';
import type { Finding } from './types.ts';

/**
 * Labels that are several classes joined: with a bar always; with a comma, a semicolon or a plus where each part is a class elsewhere.
 * With blanks it is only possible: "apple pie" stands beside "apple" and "pie".
 */
export function joinedLabels(values: readonly string[]): { certain: string[]; possible: string[] } {
  const labels = [...new Set(values)];
  const parts = (label: string, separator: string) =>
    label.split(separator).flatMap((part) => visible(part) || []);
  const whole = new Set(labels);
  const made = (separator: string) =>
    labels.filter((label) => {
      const own = parts(label, separator);
      return own.length > 1 && own.every((part) => whole.has(part));
    });
  const barred = labels.filter((label) => parts(label, '|').length > 1);
  return { certain: [...new Set([...barred, ...[',', ';', '+'].flatMap(made)])], possible: made(' ') };
}

/** Says which labels may be several classes joined by blanks. */
export function joinedFindings(name: string, joined: readonly string[]): Finding[] {
  if (joined.length === 0) return [];
  const message = `${name}: ${quoted(joined)} may each be several classes, because other rows have their words as classes; each is read as a class of its own.`;
  return [warning('joined-labels', message)];
}
