import { expect, it } from 'vitest';
import type { DemoRow } from '../bench/demo-comparison.ts';
import { explainNames } from './run-demo.ts';

/** A row whose last point has the accuracy. */
const row = (accuracy: number) =>
  ({ points: [{ evaluation: { accuracy: 1 } }, { evaluation: { accuracy } }] }) as unknown as DemoRow;

it('says why Tip-Adapter is below the examples alone, and nothing where it is not', () => {
  expect(explainNames([row(0.05), row(0.85), row(0.81), row(0.89)])).toEqual([
    'Tip-Adapter is below the examples alone here, because it also counts the names. ' +
      'By the names alone, this encoder recognises 5.0% of the pictures.',
  ]);
  for (const together of [0.85, 0.9])
    expect(explainNames([row(0.05), row(0.85), row(together), row(0.89)])).toEqual([]);
});
