import { count, number } from '../words.ts';
import type { Labelled, LabelledFile } from './dataset-layout.ts';
import { warning } from './findings.ts';
import { groupBy } from './groups.ts';

/** At most `limit` pictures of each split, taken in turn from its classes. A warning says how many are left out. */
export function limited(labelled: Labelled, limit?: number): Labelled {
  if (limit === undefined) return labelled;
  const kept = new Set<LabelledFile>();
  const findings = [...groupBy(labelled.pictures, ({ split }) => split)].flatMap(([split, own]) => {
    const classes = [...groupBy(own, ({ label }) => label).values()];
    const most = kept.size + Math.min(limit, own.length);
    for (let i = 0; kept.size < most; i++)
      for (const pictures of classes) {
        const picture = pictures[i];
        if (picture && kept.size < most) kept.add(picture);
      }
    if (own.length <= limit) return [];
    const where = split === undefined ? '' : ` of ${split}`;
    const message = `Only ${number(limit)} of ${count(own.length, 'picture')}${where} are read, because of the limit.`;
    return [warning('limit', message)];
  });
  const { pictures, files = [] } = labelled;
  const leftOut = pictures.filter((picture) => !kept.has(picture)).map(({ file }) => file);
  return {
    ...labelled,
    pictures: pictures.filter((picture) => kept.has(picture)),
    // Files that were left out by the limit are not reported as unused.
    files: [...files, ...leftOut],
    findings: [...labelled.findings, ...findings],
  };
}
