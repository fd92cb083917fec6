import { plural } from '../words.ts';
import { hasCode } from './classes.ts';
import { quoted, warning } from './findings.ts';
import { namesNoClass } from './folder-checks.ts';
import type { ClassInfo, Dataset, Finding } from './types.ts';

/**
 * The findings which say that the whole data set may have been misread: one class only, classes with names of splits or of parts of a
 * layout, or nothing but codes as names. A person is asked about them before the work begins.
 */
export function doubtsOf({ classes, findings }: Pick<Dataset, 'classes' | 'findings'>): Finding[] {
  return findings.filter(({ code }) => {
    if (code === 'dataset/codes') return classes.every(hasCode);
    return code === 'dataset/one-class' || code === 'dataset/part-names';
  });
}

/** Warns of classes by which the data were probably misread. */
export function doubtFindings(classes: readonly ClassInfo[]): Finding[] {
  const [only, ...more] = classes;
  if (only && more.length === 0) {
    const message = `All pictures are read as one class, "${only.id}". If it is one of several classes, give the folder above it.`;
    return [warning('one-class', message)];
  }
  const parts = classes.map(({ id }) => id).filter(namesNoClass);
  // A train is also a vehicle, so this name alone is no sign of a split.
  const isVehicle = parts.length === 1 && parts[0]!.toLowerCase() === 'train' && classes.length > 2;
  if (parts.length === 0 || isVehicle) return [];
  const have = plural(parts.length, 'A class has the name', 'Some classes have names');
  return [warning('part-names', `${have} of a split or of a part of a layout: ${quoted(parts)}.`, parts)];
}
