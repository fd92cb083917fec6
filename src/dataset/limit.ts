import { count, number } from '../words.ts';
import { warning } from './findings.ts';
import { groupBy } from './groups.ts';
import type { Dataset, Example } from './types.ts';

/**
 * The data set with at most `limit` pictures of each split, taken in turn from its classes. A warning gives the number of those left out.
 */
export function limited(dataset: Dataset, limit?: number): Dataset {
  if (limit === undefined) return dataset;
  const kept = new Set<Example>();
  const findings = [...groupBy(dataset.examples, ({ split }) => split)].flatMap(([split, own]) => {
    const classes = [...groupBy(own, ({ label }) => label).values()];
    const most = Math.min(limit, own.length);
    const before = kept.size;
    for (let i = 0; kept.size < before + most; i++)
      for (const examples of classes) {
        const example = examples[i];
        if (example && kept.size < before + most) kept.add(example);
      }
    if (most === own.length) return [];
    const where = split === undefined ? '' : ` of ${split}`;
    return [
      warning(
        'limit',
        `Only ${number(most)} of ${count(own.length, 'picture')}${where} are read, because of the limit.`,
      ),
    ];
  });
  const examples = dataset.examples.filter((example) => kept.has(example));
  return { ...dataset, examples, findings: [...dataset.findings, ...findings] };
}
